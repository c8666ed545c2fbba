"""ComfyUI in a browser as a person uses it, by mouse and keys; from inside the graph is only laid out and looked at."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator

RENDERERS = ("classic", "nodes2")
ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / ".dev" / "screenshots"
PACK = "comfyui-sound-to-video"

# Says what sounds, records and ticks in the page, so that a test can see that it ended.
SPY = """
window.spied = { media: new Set(), contexts: [], tracks: [] };
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () { window.spied.media.add(this); return play.call(this); };
const Context = window.AudioContext;
window.AudioContext = class extends Context {
  constructor(...args) { super(...args); window.spied.contexts.push(this); }
};
const media = navigator.mediaDevices;
if (media) {
  const get = media.getUserMedia.bind(media);
  media.getUserMedia = async (wanted) => {
    window.spied.wanted = wanted;
    const stream = await get(wanted);
    window.spied.tracks.push(...stream.getTracks());
    return stream;
  };
}
"""

SOUNDING = """() => ({
  playing: [...window.spied.media].filter((one) => !one.paused).length,
  contexts: window.spied.contexts.filter((one) => one.state !== "closed").length,
  microphones: window.spied.tracks.filter((one) => one.readyState === "live").length,
})"""
SIZES = "() => JSON.stringify(window.app.graph.nodes.map((node) => [node.id, ...node.size]))"
RESTORES = "() => window.app.extensionManager.workflow.activeWorkflow.changeTracker._restoringState"
SILENT = {"playing": 0, "contexts": 0, "microphones": 0}


class ComfyPage:
    """One tab with ComfyUI in it.

    Args:
        renderer: "classic" or "nodes2".
        front_end: "own", the one the host asks for, or "newest".
        host: the name under which the server is opened.
        options: of the browser context.
    """

    def __init__(self, browser: Browser, server, renderer: str, front_end: str, host: str, options: dict[str, Any]):
        self.renderer = renderer
        self.front_end = front_end
        self.server = server
        self.url = f"http://{host}:{server.port}"
        self.context = browser.new_context(viewport={"width": 1500, "height": 950}, **options)
        self.context.add_init_script(SPY)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self._said: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._said.append(f"page error: {error}"))
        self.open()

    def _hear(self, message) -> None:
        where = message.location.get("url", "")
        words = f"{message.text} {where}"
        if message.type in ("error", "warning") and (PACK in words or "sound_to_video" in words.lower()):
            self._said.append(f"{message.type}: {message.text} ({where})")

    def complaints(self) -> list[str]:
        """Errors and warnings of the pack in the console, and any uncaught error, since the last `fresh`."""
        return self._said

    def close(self) -> None:
        self.context.close()

    def setting(self, name: str, value: Any) -> None:
        request = urllib.request.Request(
            f"{self.server.url}/settings/{name}", json.dumps(value).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=30).close()

    def open(self) -> None:
        """Load the page, or load it again."""
        self.setting("Comfy.VueNodes.Enabled", self.renderer == "nodes2")
        self.setting("Comfy.TutorialCompleted", True)
        self.setting("Comfy.Workflow.WarnBlueprintOverwrite", False)
        self.setting("Comfy.Minimap.Visible", False)
        self.page.goto(self.url)
        self.page.wait_for_function(
            "() => window.app?.extensionManager?.workflow?.activeWorkflow && window.app.graph", timeout=120_000
        )

    def fresh(self) -> None:
        """An empty graph, nothing pressed, nothing said."""
        self._said.clear()
        self.page.evaluate(
            """async () => { const { workflow } = window.app.extensionManager;
            const others = workflow.openWorkflows.filter((one) => one !== workflow.activeWorkflow);
            for (const one of others) await workflow.closeWorkflow(one) }"""
        )
        self.page.keyboard.press("Escape")
        self.page.mouse.move(700, 930)
        self.load([])

    # -- the graph ------------------------------------------------------------------------------------------------

    def load(self, nodes: list[dict], links: list[list] = (), scale: float = 1.0, **more) -> None:
        """Open a workflow: ``nodes`` from `node`, ``links`` [from node, slot, to node, slot, type]."""
        numbered = [[index + 1, *link] for index, link in enumerate(links)]
        for number, origin, slot, target, target_slot, _ in numbered:
            by_id = {node["id"]: node for node in nodes}
            by_id[origin]["outputs"][slot]["links"].append(number)
            by_id[target]["inputs"][target_slot]["link"] = number
        workflow = {
            "last_node_id": 100,
            "last_link_id": 100,
            "nodes": nodes,
            "links": numbered,
            "groups": [],
            "config": {},
            "extra": {},
            "version": 0.4,
            **more,
        }
        self.open_workflow(workflow, scale)

    def open_workflow(self, workflow: dict, scale: float = 1.0) -> None:
        """Open a workflow as it is in its file, as a graph; what it may be an app of stays out of sight."""
        workflow = {**workflow, "extra": {**workflow.get("extra", {}), "linearMode": False}}
        self.page.evaluate("(workflow) => window.app.loadGraphData(workflow, true)", workflow)
        self.look(scale)

    def look(self, scale: float = 1.0) -> None:
        """Show the graph from its upper left corner."""
        self.page.evaluate(
            """(scale) => { const { ds } = window.app.canvas; ds.scale = scale; ds.offset = [80 / scale, 130 / scale];
                window.app.canvas.setDirty(true, true) }""",
            scale,
        )
        self.settle()

    def settle(self) -> None:
        """Let two frames pass."""
        self.page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
        )

    def measured(self) -> None:
        """
        Wait until the front end has measured the nodes, and let it take note of the graph, as it does at any click.

        Nodes 2.0 makes a node as high as what it shows some time after a graph is opened; the first gesture's step of
        undo goes back to the sizes in the file else, and the growth after it ends what could be redone.
        """
        sizes: list[Any] = []
        self.until(lambda: sizes.append(self.page.evaluate(SIZES)) or (len(sizes) > 5 and sizes[-6:] == 6 * sizes[-1:]))
        self.page.evaluate("() => window.dispatchEvent(new MouseEvent('mouseup'))")

    def panels(self) -> list[str]:
        """The names of the pack's panels in the page, in its order."""
        return self.page.evaluate("() => [...document.querySelectorAll('.stv')].map((one) => one.ariaLabel)")

    def focused(self, attribute: str = "aria-label") -> str | None:
        """An attribute of the element that has the focus."""
        return self.page.evaluate("(name) => document.activeElement.getAttribute(name)", attribute)

    def undo(self) -> None:
        """Undo one step, and wait until the front end has built the graph anew."""
        self._press_and_restore("Control+z")

    def redo(self) -> None:
        """Redo one step, and wait until the front end has built the graph anew."""
        self._press_and_restore("Control+y")

    def _press_and_restore(self, keys: str) -> None:
        self.page.keyboard.press(keys)
        self.settle()
        self.until(lambda: not self.page.evaluate(RESTORES), "the graph is built anew")

    def values(self, node_id: int) -> dict[str, Any]:
        """The node's widgets by name."""
        return self.page.evaluate(
            """(id) => Object.fromEntries((window.app.graph.getNodeById(id)?.widgets ?? [])
                .filter((one) => one.type !== "sound_to_video_panel").map((one) => [one.name, one.value]))""",
            node_id,
        )

    def node_ids(self) -> list:
        return self.page.evaluate("() => window.app.graph.nodes.map((node) => Number(node.id)).sort()")

    def saved(self) -> dict:
        """The workflow as it would be saved."""
        return json.loads(self.page.evaluate("() => JSON.stringify(window.app.graph.serialize())"))

    def until(self, condition: Callable[[], Any], what: str = "", looks: int = 150) -> Any:
        """Wait for ``condition`` to be true."""
        for _ in range(looks):
            found = condition()
            if found:
                return found
            self.page.wait_for_timeout(80)
        raise AssertionError(f"it did not happen: {what or condition}; sounding: {self.sounding()}")

    def run(self) -> None:
        """Queue the workflow as with the Run button's key, and wait until it has run."""
        self.page.evaluate(
            """() => { window.ended = null;
                for (const kind of ["execution_success", "execution_error", "execution_interrupted"])
                    window.app.api.addEventListener(
                        kind, (event) => (window.ended = [kind, event.detail]), { once: true }) }"""
        )
        self.page.mouse.click(700, 930)
        self.page.keyboard.press("Control+Enter")
        kind, detail = self.until(lambda: self.page.evaluate("() => window.ended"), "the workflow ran", looks=750)
        assert kind == "execution_success", detail

    # -- what sounds ----------------------------------------------------------------------------------------------

    def sounding(self) -> dict[str, int]:
        """How many media elements play, audio contexts are open and microphones are live."""
        return self.page.evaluate(SOUNDING)

    # -- mouse ----------------------------------------------------------------------------------------------------

    def centre(self, locator: Locator, share: float = 0.5) -> tuple[float, float]:
        """The middle of an element on screen, at ``share`` of its width."""
        locator.wait_for()
        box = locator.bounding_box()
        assert box, "it is not on screen"
        return box["x"] + box["width"] * share, box["y"] + box["height"] * 0.6

    def drag(self, locator: Locator, pixels: float, key: str = "") -> None:
        """Drag an element sideways, as fast as a hand would."""
        x, y = self.centre(locator)
        self.page.mouse.move(x, y)
        if key:
            self.page.keyboard.down(key)
        self.page.mouse.down()
        self.page.mouse.move(x + pixels / 2, y + 2, steps=5)
        self.page.mouse.move(x + pixels, y, steps=5)
        self.page.mouse.up()
        if key:
            self.page.keyboard.up(key)
        self.settle()

    def drop_file(self, path: Path, x: float, y: float) -> None:
        """Drop a file of the disk at a place of the screen, through the browser's own drag and drop."""
        session = self.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "dragOver", "drop"):
            session.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})
            self.page.wait_for_timeout(60)
        session.detach()

    def title(self, node_id: int) -> tuple[float, float]:
        """A place on a node's title bar."""
        return tuple(
            self.page.evaluate(
                """(id) => { const node = window.app.graph.getNodeById(id); const { ds, canvas } = window.app.canvas;
                const box = canvas.getBoundingClientRect();
                return [box.x + (node.pos[0] + 90 + ds.offset[0]) * ds.scale,
                    box.y + (node.pos[1] - 14 + ds.offset[1]) * ds.scale] }""",
                node_id,
            )
        )

    def screenshot(self, name: str) -> Path:
        """Keep a picture for people to look at."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}-{self.renderer}-{self.front_end}.png"
        self.page.screenshot(path=path)
        return path


def node(
    node_id: int,
    kind: str,
    position: tuple[int, int],
    values: list,
    inputs: str = "",
    outputs: str = "",
    width: int = 300,
) -> dict:
    """A node of a workflow; ``inputs`` and ``outputs`` as "name:TYPE name:TYPE"."""
    return {
        "id": node_id,
        "type": kind,
        "pos": list(position),
        "size": [width, 60],
        "flags": {},
        "order": node_id,
        "mode": 0,
        "inputs": [
            {"name": name, "type": kind, "link": None} for name, kind in (one.split(":") for one in inputs.split())
        ],
        "outputs": [
            {"name": name, "type": kind, "links": []} for name, kind in (one.split(":") for one in outputs.split())
        ],
        "properties": {"Node name for S&R": kind},
        "widgets_values": values,
    }


def load_audio(node_id: int, file: str, position=(0, 0)) -> dict:
    return node(node_id, "SoundToVideo_LoadAudio", position, [file], outputs="AUDIO:AUDIO")


def trim_audio(node_id: int, values=(0, 0, 0, 0), position=(360, 0), width: int = 520) -> dict:
    return node(node_id, "SoundToVideo_TrimAudio", position, list(values), "audio:AUDIO", "AUDIO:AUDIO", width)


def sampler_graph(first_id: int, position=(920, 0)) -> tuple[list[dict], list[list]]:
    """Audio Encode with an encoder, and an S2V Sampler: what the words of a trim need downstream."""
    x, y = position
    encode, loader, sampler = first_id, first_id + 1, first_id + 2
    nodes = [
        node(
            encode,
            "SoundToVideo_AudioEncode",
            (x, y),
            [],
            "audio:AUDIO audio_encoder:AUDIO_ENCODER audio_vae:VAE",
            "encoded_audio:AUDIO_ENCODER_OUTPUT",
        ),
        node(
            loader,
            "AudioEncoderLoader",
            (x, y + 150),
            ["wav2vec2_large_english_fp16.safetensors"],
            outputs="AUDIO_ENCODER:AUDIO_ENCODER",
        ),
        {
            **node(
                sampler,
                "SoundToVideo_S2VSampler",
                (x, y + 290),
                [],
                "model:MODEL vae:VAE positive:CONDITIONING negative:CONDITIONING encoded_audio:AUDIO_ENCODER_OUTPUT",
                "video:VIDEO latent:LATENT",
            )
        },
    ]
    del nodes[2]["widgets_values"]
    return nodes, [[loader, 0, encode, 1, "AUDIO_ENCODER"], [encode, 0, sampler, 4, "AUDIO_ENCODER_OUTPUT"]]
