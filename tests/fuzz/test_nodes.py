"""Odd values for every input of every node: it works, or it ends in one sentence that begins with the node's name."""

from __future__ import annotations

import inspect
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import comfy.model_management
import folder_paths
import pytest
import torch
from comfy_api.latest import io
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import Family
from sound_to_video.core.features.encoded import WHISPER
from sound_to_video.nodes import NODES
from sound_to_video.tests.fuzz.values import Good, odd

MOST = 260  # of the cases of all nodes, in a round without minutes
MEDIA = Path(__file__).resolve().parents[2] / "media"


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for kind in ("input", "output", "temp", "user"):
        (tmp_path / kind).mkdir()
        monkeypatch.setattr(folder_paths, f"{kind}_directory", str(tmp_path / kind))
    for name in ("sound_to_video_voice.wav", "sound_to_video_music.flac"):
        shutil.copy(MEDIA / name, tmp_path / "input")
    return tmp_path


def prepared(node):
    """The node class as the host's executor prepares it."""
    made = node.PREPARE_CLASS_CLONE({})
    hidden = ("unique_id", "prompt", "extra_pnginfo", "dynprompt", "auth_token_comfy_org", "api_key_comfy_org")
    made.hidden = io.HiddenHolder(**dict.fromkeys(hidden))
    return made


def cases_of(good: Good, random, is_long: bool) -> list[tuple]:
    """``(node, family, input, label, value)`` for all inputs of all nodes, on each family that the node works with."""
    cases = []
    for node in NODES:
        for family in families_of(node, good, is_long):
            for entry in node.GET_SCHEMA().inputs:
                for label, value in odd(entry.get_io_type(), entry.as_dict(), good, random):
                    cases.append((node, family, entry.id, label, value))
    return cases


def families_of(node, good: Good, is_long: bool) -> Sequence[Family]:
    """Those that a node does not refuse; of a node that no model goes into one, which is as good as any.

    is_long: also those with which it takes a minute.
    """
    names = {entry.id for entry in node.GET_SCHEMA().inputs}
    if "audio_encoder" in names:
        return [family for family in good.families if is_long or family.encoder_kind != WHISPER]
    if "model" not in names:
        return good.families[:1]
    if "source_video" in names:
        return [family for family in good.families if family.lip_syncs]
    return [family for family in good.families if "reference_image" in names or not good.small(family).needs_picture]


def too_much_for_a_round(name: str, label: str) -> bool:
    """Right values that would take minutes of sampling, not odd ones."""
    return label in ("max", "within") and name in ("width", "height", "steps", "frame_rate", "segment_seconds")


def run(node, inputs: dict):
    with torch.inference_mode():
        problem = validation_of(node, inputs)
        if problem is not None:
            return problem
        made = prepared(node).execute(**inputs)
        for value in made.args or ():
            if hasattr(value, "get_duration"):
                value.get_duration()
            elif hasattr(value, "keys") and "waveform" in value:
                value["waveform"]
        return made


def validation_of(node, inputs: dict) -> str | None:
    """What the node's own ``validate_inputs`` says before it runs, as the host asks it; None: nothing."""
    if node.validate_inputs.__func__ is io.ComfyNode.validate_inputs.__func__:
        return None
    widgets = {entry.id for entry in node.GET_SCHEMA().inputs if entry.get_io_type() in WIDGETS}
    wanted = inspect.signature(node.validate_inputs).parameters
    said = node.validate_inputs(**{name: value for name, value in inputs.items() if name in widgets & set(wanted)})
    return said if isinstance(said, str) else None


WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def test_odd_values_on_nodes(fuzz_round, checkpoints, folders, caplog):
    good = Good(checkpoints)
    caplog.set_level(logging.CRITICAL)
    cases = cases_of(good, fuzz_round.random, fuzz_round.minutes > 0)
    ran = 0
    for node, family, name, label, value in fuzz_round.some(cases, MOST):
        if too_much_for_a_round(name, label):
            continue
        inputs = {**good.inputs_of(node, family), name: value}
        title = node.GET_SCHEMA().display_name
        case = f"{title} ({family.name}), {name}: {label}"
        try:
            run(node, inputs)
        except SoundToVideoError as error:
            text = str(error)
            if not text.startswith(f"{title}: "):
                fuzz_round.is_wrong(f"{case}: the sentence does not begin with the node's name: {text[:200]}")
            text.encode()
        except comfy.model_management.InterruptProcessingException:
            raise
        except Exception as error:
            fuzz_round.is_wrong(f"{case}: {type(error).__name__}: {str(error)[:200]}")
        ran += 1
    fuzz_round.tell(f"{ran} odd values on nodes, of {len(cases)} for {len(good.families)} families")
    assert ran
    fuzz_round.assert_nothing_is_wrong(ran)


def test_every_node_runs_on_its_good_values(checkpoints, folders):
    """Else the fuzzer would try nothing but one early refusal."""
    good, tried = Good(checkpoints), set()
    for node in NODES:
        if node.GET_SCHEMA().node_id in NEEDS_MORE:
            continue
        for family in families_of(node, good, is_long=False):
            run(node, good.inputs_of(node, family))
            tried.add(family.id)
    assert tried == {family.id for family in good.families}


# A recording, and a folder of the diffusers library: their own tests have them.
NEEDS_MORE = ("SoundToVideo_RecordMic", "SoundToVideo_LoadDiffusersLTX")
