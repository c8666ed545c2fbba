"""What S2V Sampler and A2V Sampler share: the inputs, and the run."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import comfy.samplers
import folder_paths
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..core.errors import SoundToVideoError
from ..core.families import FAMILIES, Family
from ..core.families.option import Option
from ..core.families.options import OPTIONS, SCHEDULES
from ..core.frames.images import IMAGE_FITS
from ..core.render import Rendered, render
from ..core.sampling.model_key import upstream_graph
from ..core.sampling.store import SegmentStore
from ..core.timeline import rounded
from ._text import text_on_node

MAXIMUM_SIZE = 16384


def sampler_inputs(of_picture: bool, of_footage: bool = False) -> list[io.Input]:
    """The inputs of a sampler, in the order in which workflows have saved them; new ones come at the end.

    of_picture: with the reference image and what belongs to it.  of_footage: with what belongs to footage.
    """
    options = [
        _option_input(option)
        for option in OPTIONS.values()
        if (of_picture or not option.of_picture) and (of_footage or not option.of_footage)
    ]
    inputs = {entry.id: entry for entry in [*_own_inputs(of_picture), *options]}
    saved = [name for name in SAVED_ORDER if name in inputs]
    return [inputs[name] for name in [*saved, *(name for name in inputs if name not in saved)]]


SAVED_ORDER = (  # append, never change
    *("model", "vae", "positive", "negative", "encoded_audio", "reference_image", "width", "height"),
    *("seed", "steps", "cfg", "sampler_name", "scheduler", "image_fit"),
    *("audio_scale", "frame_rate", "segment_seconds", "control_video", "sigmas", "latent_upscale_model"),
    *("preview_seconds", "keep_segments", "drift_correction", "refining_sigmas"),
    *("audio_guidance", "structure_guidance", "guidance_rescale", "image_strength", "image_compression"),
    *("anchor_first_frame", "refining_model", "model_patch", "clip_vision_output", "key_frames"),
)


def _own_inputs(of_picture: bool) -> list[io.Input]:
    """What every family knows."""
    picture = [
        io.Image.Input(
            "reference_image",
            optional=True,
            tooltip="The look of the clip. Several pictures: one for each shot of a Prompt Timeline.",
        ),
        io.Combo.Input(
            "image_fit",
            options=list(IMAGE_FITS),
            default="crop",
            tooltip="How the reference image fills width x height: cut to fill it, or whole with bars.",
        ),
    ]
    return [
        *(picture if of_picture else []),
        io.Model.Input("model", tooltip="A model that takes audio. LoRA and patches stay in force."),
        io.Vae.Input("vae", tooltip="The video VAE of the model."),
        io.Conditioning.Input("positive", tooltip="The scene: who, where, light, camera. The audio gives the rhythm."),
        io.Conditioning.Input("negative", tooltip="What should not be seen."),
        io.AudioEncoderOutput.Input(
            "encoded_audio",
            tooltip="From Audio Encode or core's Audio Encoder Encode. Its length is the clip's length.",
        ),
        io.Int.Input("width", default=832, min=16, max=MAXIMUM_SIZE, step=16, tooltip="Pixels."),
        io.Int.Input("height", default=480, min=16, max=MAXIMUM_SIZE, step=16, tooltip="Pixels."),
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=0xFFFFFFFFFFFFFFFF,
            control_after_generate=True,
            tooltip="Of the first segment; every further one takes the next number.",
        ),
        io.Int.Input("steps", default=20, min=1, max=10000, tooltip="Sampler steps of each segment."),
        io.Float.Input("cfg", default=6.0, min=0.0, max=100.0, step=0.1, round=0.01),
        io.Combo.Input("sampler_name", options=comfy.samplers.KSampler.SAMPLERS, default="uni_pc"),
        io.Combo.Input(
            "scheduler",
            options=[*comfy.samplers.KSampler.SCHEDULERS, *SCHEDULES],
            default="simple",
            tooltip=f"{', '.join(SCHEDULES)}: the fixed noise levels of distilled models; steps then does not count.",
        ),
        io.Float.Input(
            "audio_scale",
            default=1.0,
            min=0.0,
            max=10.0,
            step=0.05,
            tooltip="How strongly the audio moves the picture. 1 is what the model was trained with.",
        ),
        io.Float.Input(
            "frame_rate",
            default=0.0,
            min=0.0,
            max=120.0,
            step=0.01,
            advanced=True,
            tooltip=f"Frames per second. 0: the model's own ({_each(lambda family: family.frame_rate)}).",
        ),
        io.Float.Input(
            "segment_seconds",
            default=0.0,
            min=0.0,
            max=600.0,
            step=0.1,
            advanced=True,
            tooltip=f"Seconds sampled at a time; less needs less memory. 0: the model's own ({_each(_own_seconds)}).",
        ),
        io.Image.Input(
            "control_video",
            optional=True,
            tooltip="Poses or other control frames at the clip's frame rate, one for each of its frames.",
        ),
        io.Sigmas.Input("sigmas", optional=True, tooltip="Noise levels in place of steps and scheduler."),
        io.Float.Input(
            "preview_seconds",
            default=0.0,
            min=0.0,
            max=3600.0,
            step=0.1,
            optional=True,
            advanced=True,
            tooltip="Sample only the opening, for a first look; a full run then goes on from there. 0: everything.",
        ),
        io.Boolean.Input(
            "keep_segments",
            default=True,
            optional=True,
            advanced=True,
            tooltip="Keep finished segments on disk (at most 4 GB): a run that was stopped goes on where it was.",
        ),
        io.Float.Input(
            "drift_correction",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.05,
            optional=True,
            advanced=True,
            tooltip="Hold colour and contrast to the first segment's, after a cut to the cut's. 0: off, 1: fully.",
        ),
    ]


def _each(value: Callable[[Family], Any]) -> str:
    """``Name 16, Other Name 24``"""
    return ", ".join(f"{family.name} {value(family)}" for family in FAMILIES)


def _own_seconds(family: Family) -> int:
    return rounded(family.segment_length.latent_count * family.grid.stride / family.frame_rate)


def _option_input(option: Option) -> io.Input:
    """An option as ComfyUI's node API has it, with the families that know it in front of its tooltip."""
    names = [family.name for family in FAMILIES if option in family.options]
    tooltip = f"{', '.join(names)}: {option.tooltip}" if 0 < len(names) < len(FAMILIES) else option.tooltip
    values = {
        "default": option.default,
        "min": option.minimum,
        "max": option.maximum,
        "step": option.step,
        "round": option.rounding,
        "options": list(option.choices) or None,
        "advanced": option.advanced or None,
    }
    given = {name: value for name, value in values.items() if value is not None}
    kind = getattr(io, option.kind, None) or io.Custom(option.kind)
    return kind.Input(option.name, optional=True, tooltip=tooltip, **given)


SAMPLER_OUTPUTS = [
    io.Video.Output(tooltip="The clip with its sound, decoded when a node asks for its frames."),
    io.Latent.Output(tooltip="The clip's video latents."),
]
SAMPLER_HIDDEN = [io.Hidden.unique_id, io.Hidden.dynprompt]


def run_sampler(hidden: Any, inputs: dict[str, Any], render: Callable[..., Rendered] = render) -> io.NodeOutput:
    """Sample a clip from a sampler's inputs, by name."""
    store = SegmentStore(segments_folder()) if inputs.get("keep_segments", True) else None
    graph = partial(upstream_graph, hidden.dynprompt, hidden.unique_id)
    part = part_asked(hidden)
    if part and store is None:
        raise SoundToVideoError("a part of a clip is sampled to be kept: turn keep_segments on.")
    wired = {**inputs, "files": files_loaded(hidden, ("model_patch",))}
    rendered = render(wired, folder_paths.get_temp_directory(), store, graph, text_on_node(hidden.unique_id), part)
    ui = {
        "sound_to_video_plan": [rendered.plan.describe()],
        "sound_to_video_numbers": [rendered.plan.numbers()],
        "sound_to_video_resumed": [rendered.resumed_runs],
        "sound_to_video_family": [rendered.family.id],
    }
    if part and store:
        nothing = ExecutionBlocker(None)  # what comes behind this node is not run
        return io.NodeOutput(nothing, nothing, ui={**ui, "sound_to_video_kept": kept_for_others(store)})
    return io.NodeOutput(rendered.video, {"samples": rendered.latents.tensor()}, ui=ui)


def files_loaded(hidden: Any, names: Sequence[str]) -> dict[str, str]:
    """The files that the nodes wired to some inputs load, by input name, where a node has its file in ``name``."""
    if hidden.dynprompt is None:
        return {}
    inputs = hidden.dynprompt.get_node(hidden.unique_id)["inputs"]
    files = {}
    for name in names:
        source = inputs.get(name)
        if isinstance(source, list) and hidden.dynprompt.has_node(source[0]):
            file = hidden.dynprompt.get_node(source[0])["inputs"].get("name")
            if isinstance(file, str):
                files[name] = file
    return files


def part_asked(hidden: Any) -> tuple[int, int] | None:
    """(2, 5) where a queued prompt asks the node for the second of five parts of its clip; None: for all of it.

    No input of the node: a prompt says ``"sound_to_video_part": "2/5"`` beside them, as ``render.py`` writes it.
    """
    node = hidden.dynprompt.get_node(hidden.unique_id) if hidden.dynprompt is not None else {}
    asked = node["inputs"].get("sound_to_video_part") if node else None
    if asked is None:
        return None
    found = re.fullmatch(r"([0-9]{1,5})/([0-9]{1,5})", str(asked))
    number, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise SoundToVideoError(f"sound_to_video_part is {asked!r}: write 2/5 for the second of five parts.")
    return number, count


def kept_for_others(store: SegmentStore) -> list[str]:
    """The names of the segments of a part, in the folder that holds them. Raises where they are not kept."""
    if store.trouble:
        raise SoundToVideoError(f"a part of a clip is sampled to be kept, and {store.trouble}.")
    return store.used()


def segments_folder() -> Path:
    """Where finished segments are kept: in the host's folder for internal data, which no route serves.

    The variable ``SOUND_TO_VIDEO_SEGMENTS`` names another folder, say one that several machines share.
    """
    given = os.environ.get("SOUND_TO_VIDEO_SEGMENTS")
    if given:
        return Path(given)
    folder = Path(folder_paths.get_system_user_directory("sound_to_video")) / "segments"
    earlier = Path(folder_paths.get_user_directory()) / "sound_to_video" / "segments"  # of 0.1.0
    if earlier.is_dir() and not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):  # another server was faster, or has a file of it open
            earlier.rename(folder)
    return folder
