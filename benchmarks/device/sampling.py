"""Time of a step, peak memory, key and store at the real sizes, ours and the host's graph in turn in one process."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from sound_to_video.benchmarks.device.networks import LTX_23, WAN_14B, WAN_TINY, peak_memory, random_lora, random_model
from sound_to_video.benchmarks.device.rows import GIGABYTE, NO_CUDA, Row, checked, compared, figure
from sound_to_video.benchmarks.device.start import start, start_with_dynamic_vram, without_dynamic_vram
from sound_to_video.benchmarks.sampling import _ltx_inputs, _run, _wan_inputs

STEPS = 4
STEP_TIMES: list[float] = []


@dataclasses.dataclass(frozen=True)
class Stopwatch:
    """A post-CFG function of the host that notes when a step's prediction is done; the same in both graphs."""

    def __call__(self, args: dict[str, Any]) -> Any:
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()
        STEP_TIMES.append(time.perf_counter())
        return args["denoised"]


def timed(model: Any) -> Any:
    model = model.clone()
    model.set_model_sampler_post_cfg_function(Stopwatch())
    return model


def step_seconds(work: Callable[[], None], steps: int) -> list[float]:
    """Seconds of every step of ``work`` but the first of each run of the sampler."""
    STEP_TIMES.clear()
    work()
    runs = [STEP_TIMES[index : index + steps] for index in range(0, len(STEP_TIMES), steps)]
    return [after - before for run in runs for before, after in pairwise(run)]


def in_turn(what: str, ours: Callable[[], None], core: Callable[[], None], steps: int) -> Iterator[Row]:
    """Rows for the time of a step and the peak memory; the model is loaded before anything is counted."""
    seconds: dict[str, float] = {}
    peaks: dict[str, int] = {}
    for name, work in {"core": core, "ours": ours}.items():
        with peak_memory() as peak:
            seconds[name] = statistics.median(step_seconds(work, steps))
        peaks[name] = peak()
    yield compared(f"{what}, a step", seconds["ours"], seconds["core"], "s")
    if not peaks["ours"]:
        yield Row(f"{what}, peak memory", NO_CUDA)
        return
    yield compared(f"{what}, peak memory", peaks["ours"] / GIGABYTE, peaks["core"] / GIGABYTE, "GB")


class Ours:
    """Inputs sampled by this pack; ``store``: where segments are kept, with the seconds that keeping them took."""

    def __init__(
        self, inputs: Any, folder: Path, cfg: float, sampler_name: str, steps: int, segment_seconds: float = 0
    ):
        from sound_to_video.core.families import recognise
        from sound_to_video.core.render import plan_of
        from sound_to_video.core.sampling.host_sampler import SamplerSettings

        self.inputs, self.folder = inputs, folder
        self.settings = SamplerSettings(1, steps, cfg, sampler_name, "simple")
        self.family = recognise({"model": inputs.model})
        self.plan = plan_of(self.family, inputs, self.settings.seed, segment_seconds)

    def __call__(self, store: Any = None, sampler: Any = None, say: Callable[[str], None] = lambda text: None) -> Any:
        from sound_to_video.core.sampling.host_sampler import HostSampler

        self.clip_sampler = self.family.prepare(self.inputs, self.plan)
        self.sampler = sampler or HostSampler(self.settings, store)
        (self.folder / "temp").mkdir(parents=True, exist_ok=True)
        return _run(self.clip_sampler, self.sampler, self.folder / "temp", say)

    def video(self, latents: Any, audio: Any) -> Any:
        """The VIDEO of the last call's latents."""
        from sound_to_video.core.clip.video import SampledVideo

        return SampledVideo(self.clip_sampler.decoder(), latents, audio)

    def kept(self) -> Iterator[Row]:
        """Seconds for the model's key and for keeping one segment."""
        from sound_to_video.core.sampling import store as segment_store
        from sound_to_video.core.sampling.model_key import model_key
        from sound_to_video.core.sampling.store import SegmentStore

        started = time.perf_counter()
        model_key(self.inputs.model, None)
        yield figure("the model's key, once a clip", time.perf_counter() - started, "s", 3)
        spent = []
        store_save = segment_store.SegmentStore.save

        class Timed(SegmentStore):
            def save(self, *values: Any, **named: Any) -> Any:
                begun = time.perf_counter()
                found = store_save(self, *values, **named)
                spent.append(time.perf_counter() - begun)
                return found

        with tempfile.TemporaryDirectory(dir=self.folder) as kept:
            first = self(Timed(kept)).tensor()
            if spent:
                yield figure("keeping a segment", statistics.median(spent), "s", 3)
            again = self(SegmentStore(kept)).tensor()
            found = self.sampler.resumed_runs
            same = bool((first == again).all()) if first.isfinite().all() else None
            text = f"{found} of {len(self.plan.segments)} found again, {'equal' if same else 'NOT equal'} to the bit"
            if same is None:
                text = "random weights gave NaN, so that nothing is kept"
            yield checked("run again with all of it kept", bool(found and same), text)


def wan(tiny: bool, weights: str = "bf16", cfg: float = 1.0) -> Iterator[Row]:
    """Wan2.2-S2V 14B at 832x480x80.

    weights: ``bf16``, ``fp8``, or ``fp8+lora``.
    """
    folder = start(tiny)
    import comfy.ldm.wan.model
    import torch

    width, height = (64, 64) if tiny else (832, 480)
    config = WAN_TINY if tiny else WAN_14B
    model = random_model(comfy.ldm.wan.model.WanModel_S2V, config, fp8=weights.startswith("fp8"))
    text = [[torch.randn([1, 512, config["text_dim"]]), {}]]
    inputs = dataclasses.replace(_wan_inputs(width, height, 77 / 16), model=model, positive=text, negative=text)
    if weights.endswith("lora"):
        inputs = dataclasses.replace(inputs, model=random_lora(inputs.model))
    inputs = dataclasses.replace(inputs, model=timed(inputs.model))
    import nodes
    from comfy_extras.nodes_wan import WanSoundImageToVideo

    what = f"{'small ' if tiny else ''}Wan2.2-S2V {'' if tiny else '14B '}{weights}, {inputs.width}x{inputs.height}x80"
    ours = Ours(inputs, folder, cfg, "uni_pc", STEPS)

    def core() -> None:
        made = WanSoundImageToVideo.execute(
            *(inputs.positive, inputs.negative, inputs.vae, inputs.width, inputs.height, 77, 1),
            audio_encoder_output=inputs.encoded_audio.encoded,
            ref_image=inputs.reference_image,
        )
        nodes.common_ksampler(inputs.model, 1, STEPS, cfg, "uni_pc", "simple", *made.args)

    started = time.perf_counter()
    ours()
    yield figure(f"{what}: the first run, with loading", time.perf_counter() - started, "s")
    yield from in_turn(what, ours, core, STEPS)
    yield from prefixed(what, ours.kept())


def ltx(tiny: bool, frames: int = 121, weights: str = "bf16") -> Iterator[Row]:
    """LTX-2.3 at 1280x704. Core: its KSampler on the same joint latent."""
    folder = start(tiny)
    import comfy.ldm.lightricks.av_model
    import nodes
    import torch
    from sound_to_video.core.sampling.host_sampler import HostSampler
    from sound_to_video.tests.checkpoints import LTX_TRANSFORMER

    steps = STEPS if frames < 200 else STEPS - 1
    inputs = _ltx_inputs(64, (25 if tiny else frames) / 24)
    config = LTX_TRANSFORMER if tiny else {**LTX_TRANSFORMER, **LTX_23, "caption_channels": 3840}
    config = {name: value for name, value in config.items() if "connector" not in name}
    text = [[torch.randn([1, 1024, 2 * config["caption_channels"]]), {}]]
    model = random_model(comfy.ldm.lightricks.av_model.LTXAVModel, config, fp8=weights == "fp8")
    inputs = dataclasses.replace(inputs, model=timed(model), positive=text, negative=text)
    if not tiny:
        inputs = dataclasses.replace(inputs, width=1280, height=704)
    what = f"{'small LTX-2' if tiny else 'LTX-2.3'} {weights}, {inputs.width}x{inputs.height}x{frames}"
    ours = Ours(inputs, folder, 1.0, "euler", steps)
    recorded: list[tuple] = []

    class Recorder(HostSampler):
        def sample(self, model, positive, negative, latent, seed, noise_mask=None, **how):
            recorded.append((model, positive, negative, {"samples": latent, "noise_mask": noise_mask}, seed))
            return super().sample(model, positive, negative, latent, seed, noise_mask=noise_mask, **how)

    def core() -> None:
        for model, positive, negative, latent, seed in recorded:
            nodes.common_ksampler(model, seed, steps, 1.0, "euler", "simple", positive, negative, latent)

    started = time.perf_counter()
    ours(sampler=Recorder(ours.settings))
    yield figure(f"{what}: the first run, with loading", time.perf_counter() - started, "s")
    yield from in_turn(what, ours, core, steps)
    if frames < 200:  # else it takes too long
        yield from prefixed(what, ours.kept())


def prefixed(what: str, rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        yield dataclasses.replace(row, what=f"{what}: {row.what}")


class Stopped(Exception):
    """Stands for a user's Cancel."""


def resume(tiny: bool, dynamic: bool) -> Iterator[Row]:
    """Three segments of a Wan2.2-S2V of real width and few layers, fp8_scaled with LoRA: stopped and resumed.

    dynamic: DynamicVRAM, as ``main.py`` turns it on; else the legacy patcher.
    """
    if dynamic and tiny:
        yield Row("DynamicVRAM", NO_CUDA)
        return
    folder = start_with_dynamic_vram() if dynamic else start(tiny, keep_on_card=False)
    if folder is None:
        yield Row("DynamicVRAM", "comfy-aimdo does not start here: not measured")
        return
    import comfy.model_management
    import torch

    with without_dynamic_vram():
        inputs = _wan_inputs(*(64, 64) if tiny else (416, 240), 157 / 16 + 5)
    path = folder / "resume.safetensors"
    config = WAN_TINY if tiny else {**WAN_14B, "num_layers": 4, "audio_inject_layers": [0, 2]}
    text = [[torch.randn([1, 512, config["text_dim"]], generator=torch.Generator().manual_seed(3)), {}]]
    inputs = dataclasses.replace(inputs, model=_fp8_file(path, config), positive=text, negative=text)
    inputs = dataclasses.replace(inputs, model=random_lora(inputs.model))
    what = f"fp8_scaled + LoRA, {'DynamicVRAM' if dynamic else 'legacy patcher'}"
    ours = Ours(inputs, folder, 1.0, "euler", 2)
    whole = ours().tensor()
    yield checked(f"{what}: finite latents", bool(whole.isfinite().all()), f"deviation {float(whole.std()):.3f}")
    comfy.model_management.unload_all_models()
    steady = bool((ours().tensor() == whole).all())
    found = "equal to the bit" if steady else "not equal to the bit: the host patches the weights otherwise"
    yield Row(f"{what}: the whole clip again, the model unloaded and loaded in between", found)

    def stop(text: str) -> None:
        if "segment 3" in text:
            raise Stopped

    with tempfile.TemporaryDirectory(dir=folder) as kept:
        from sound_to_video.core.sampling.store import SegmentStore

        comfy.model_management.unload_all_models()  # the first key is made of a model that is not loaded, the next is
        with contextlib.suppress(Stopped):
            ours(SegmentStore(kept), say=stop)
        again = ours(SegmentStore(kept)).tensor()
        equal = bool((again == whole).all())
        found = f"{ours.sampler.resumed_runs} of 2 found, {'equal' if equal else 'NOT equal'} to the bit"
        yield checked(f"{what}: stopped in the third segment, run again", ours.sampler.resumed_runs == 2, found)
        yield checked(f"{what}: the resumed clip is the undisturbed one", equal or not steady, found)
    louder = Ours(dataclasses.replace(inputs, audio_scale=1.5), folder, 1.0, "euler", 2)().tensor()
    change = float((louder - whole).abs().mean() / whole.std())
    yield checked(f"{what}: audio_scale 1.5 against 1", change > 0, f"latents change by {change:.4f} deviations")
    path.unlink(missing_ok=True)
    shutil.rmtree(folder / "temp", ignore_errors=True)


def _fp8_file(path: Path, config: dict[str, Any]) -> Any:
    """A MODEL that the host loads from an fp8_scaled file."""
    import comfy.ldm.wan.model
    import comfy.sd
    import comfy.utils

    with without_dynamic_vram():
        made = random_model(comfy.ldm.wan.model.WanModel_S2V, config, fp8=True)
    drawn = made.model.diffusion_model.state_dict()
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in drawn.items()}
    comfy.utils.save_torch_file(weights, str(path), metadata={"config": json.dumps({"transformer": config})})
    del made, drawn, weights
    return comfy.sd.load_diffusion_model(str(path))
