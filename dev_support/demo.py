"""`python dev.py demo`: the bundled workflow on a real server. Runs with the environment's Python."""

import argparse
import json
import runpy
import subprocess
import sys
import time
import webbrowser
from pathlib import Path

from farm.client import Client, PromptError
from farm.workflow import WorkflowError, to_prompt

from .host import DEV_DIRECTORY, PACK_FOLDER, ROOT, find_host
from .server import ComfyServer, ServerError
from .small_models import adapt, missing_models, needed_checkpoints
from .steps import Progress, StepFailed, exit_code_of

WORKFLOWS = ROOT / "workflows"
CHECKPOINTS = ROOT / "tests" / "checkpoints.py"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--listen", default="127.0.0.1")
    parser.add_argument("--workflow", default="quickstart_portrait_and_voice")
    arguments = parser.parse_args()
    host = find_host()
    server = ComfyServer(
        host,
        DEV_DIRECTORY / "demo",
        [checkpoint_folder(), host / "models"],
        arguments=("--cpu",) if arguments.cpu else (),
        listen=arguments.listen,
    )

    def show() -> int:
        start(server)
        return serve(server, arguments) if arguments.serve else make_clip(server, arguments.workflow)

    try:
        return exit_code_of(show)
    finally:
        server.stop()


def checkpoint_folder() -> Path:
    return runpy.run_path(str(CHECKPOINTS))["cache_folder"]()


def start(server: ComfyServer) -> None:
    progress = Progress("Starting ComfyUI")
    cure = f"read the whole log, {server.log_path}; `python dev.py setup` repairs the packages"
    try:
        server.start(lambda seconds: progress.tick())
    except ServerError as error:
        raise StepFailed("starting ComfyUI", str(error), cure) from None
    with Client(server.url) as client:
        if not any(name.startswith("SoundToVideo_") for name in client.object_info()):
            raise StepFailed("loading the pack", f"ComfyUI did not take it:\n{server.log()}", cure)
    progress.done(server.url)


def serve(server: ComfyServer, arguments: argparse.Namespace) -> int:
    make_checkpoints(sorted({"wan_s2v", "wan_vae", "wav2vec2", "ltx_av", "ltx_upscaler"}))
    workflows = server.base_directory / "user" / "default" / "workflows"
    workflows.mkdir(parents=True, exist_ok=True)
    for file in WORKFLOWS.glob("*.json"):
        if not (workflows / file.name).exists():
            (workflows / file.name).write_bytes(file.read_bytes())
    print(f"\nComfyUI is open at {server.url}")
    print(f"Workflows: in the sidebar (w), and under Templates > {PACK_FOLDER}. Ctrl+C ends it.")
    if not arguments.no_browser:
        webbrowser.open(server.url)
    assert server.process is not None
    return server.process.wait()


def make_checkpoints(names: list[str]) -> None:
    if not names:
        return
    progress = Progress(f"Small random checkpoints ({', '.join(names)})")
    command = [sys.executable, str(CHECKPOINTS), str(checkpoint_folder()), *names]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while process.poll() is None:
        progress.tick()
        time.sleep(0.1)
    assert process.stdout is not None
    if process.returncode:
        why = process.stdout.read().decode("utf-8", "replace")[-2000:]
        raise StepFailed("making the small checkpoints", why, "delete .dev/checkpoints and run this again")
    progress.done()


def make_clip(server: ComfyServer, name: str) -> int:
    file = WORKFLOWS / f"{name}.json"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in WORKFLOWS.glob("*.json"))) or "none"
        raise StepFailed("reading the workflow", f"there is no workflows/{name}.json", f"choose one of: {known}")
    workflow = json.loads(file.read_text("utf-8"))
    with Client(server.url) as client:
        object_info = client.object_info()
        try:
            prompt = to_prompt(workflow, object_info)
        except WorkflowError as error:
            raise StepFailed(f"reading {file.name}", str(error), "open it in ComfyUI (--serve) to see more") from None
        missing = missing_models(prompt, object_info)
        if missing:
            print("Not here, so small random ones (or none) stand for them; the clip is noise in the voice's rhythm:")
            print("".join(f"  {wanted}\n" for wanted in sorted(set(map(str, missing.values())))), end="")
            needed = needed_checkpoints(prompt, missing)
            make_checkpoints(sorted(set(needed.values())))
            files = runpy.run_path(str(CHECKPOINTS))["CHECKPOINTS"]
            prompt = adapt(prompt, missing, {node: Path(files[kind][0]).name for node, kind in needed.items()})
        clip = run(client, prompt, file.name)
        saved = server.base_directory / clip["type"] / clip["subfolder"] / clip["filename"]
    print(f"\n{saved}")
    return 0


def run(client: Client, prompt: dict, name: str) -> dict:
    """Run ``prompt`` behind a progress line; return the ``ui`` entry of the clip that it saved."""
    progress = Progress(f"Running {name}")
    titles = {node_id: node["_meta"]["title"] for node_id, node in prompt.items() if "_meta" in node}

    def follow(kind: str, data: dict) -> None:
        node = titles.get(data.get("node", ""), "")
        step = f" {data['value']}/{data['max']}" if kind == "progress" else ""
        if node:
            progress.tick(node + step)

    try:
        result = client.run(prompt, timeout_seconds=3600, on_message=follow)
    except PromptError as error:
        where = f"the node {titles.get(str(error.node_id), error.node_type)}" if error.node_id else "the workflow"
        raise StepFailed(f"running {name}", f"{where} says: {error}", "fix what it names and run this again") from None
    clips = [
        entry
        for output in result.outputs.values()
        for entries in output.values()
        if isinstance(entries, list)
        for entry in entries
        if isinstance(entry, dict) and str(entry.get("filename", "")).endswith((".mp4", ".webm", ".mov", ".mkv"))
    ]
    kept = [entry for entry in clips if entry.get("type") == "output"] or clips
    if not kept:
        raise StepFailed(f"running {name}", "it ended and saved no clip", "see that it ends in Mux Audio Video")
    progress.done()
    return kept[-1]


if __name__ == "__main__":
    sys.exit(main())
