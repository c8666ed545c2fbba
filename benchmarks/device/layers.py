"""Weights that a pack quantises its own way, as GGUF files are loaded: sampled, kept, found again."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator

from sound_to_video.benchmarks.device.rows import Row, checked
from sound_to_video.benchmarks.device.sampling import Ours, Stopped
from sound_to_video.benchmarks.device.start import start
from sound_to_video.benchmarks.sampling import _wan_inputs


def gguf(tiny: bool) -> Iterator[Row]:
    """Three segments of a small Wan2.2-S2V in layers that behave as ComfyUI-GGUF's, stopped and run again."""
    folder = start(tiny, keep_on_card=False)
    import comfy.model_management
    from sound_to_video.core.sampling.store import SegmentStore
    from sound_to_video.tests.checkpoints import cache_folder, make
    from sound_to_video.tests.quantised import load_quantised

    inputs = _wan_inputs(64, 64, 157 / 16 + 5)
    inputs = dataclasses.replace(inputs, model=load_quantised(next(make(cache_folder(), ["wan_s2v"]))))
    ours = Ours(inputs, folder, 1.0, "euler", 2)
    whole = ours().tensor()

    def stop(text: str) -> None:
        if "segment 3" in text:
            raise Stopped

    with tempfile.TemporaryDirectory(dir=folder) as kept:
        comfy.model_management.unload_all_models()
        with contextlib.suppress(Stopped):
            ours(SegmentStore(kept), say=stop)
        again = ours(SegmentStore(kept)).tensor()
    equal = bool((again == whole).all())
    found = f"{ours.sampler.resumed_runs} of 2 found, {'equal' if equal else 'NOT equal'} to the bit"
    yield checked("layers as of GGUF: stopped in the third segment, run again", ours.sampler.resumed_runs == 2, found)
    yield checked("layers as of GGUF: the resumed clip is the undisturbed one", equal, found)
