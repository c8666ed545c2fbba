"""What our samplers add to the host's: time per segment, resumed work, drift."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

from sound_to_video.benchmarks.process import Measured, import_all

SEGMENT_SECONDS = 5


def _wan_inputs(width: int, height: int, seconds: float) -> Any:
    """Inputs for the small random Wan2.2-S2V and its VAE, features drawn at the real sizes (25 layers of 1024)."""
    import comfy.sd
    import comfy.utils
    import torch
    from sound_to_video.core.families import SamplerInputs
    from sound_to_video.core.features.encoded import HostEncodedAudio
    from sound_to_video.tests.checkpoints import cache_folder, make

    model_path, vae_path = make(cache_folder(), ["wan_s2v", "wan_vae"])
    generator = torch.Generator().manual_seed(0)
    positive, negative = (torch.randn([1, 2, 1024], generator=generator) for _ in range(2))
    samples = round(seconds * 16000)
    count = (samples - 400) // 320 + 1
    layers = tuple(torch.randn([1, count, 1024], generator=generator) for _ in range(25))
    encoded = {"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": samples}
    return SamplerInputs(
        model=comfy.sd.load_diffusion_model(str(model_path)),
        vae=comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(vae_path))),
        positive=[[positive, {}]],
        negative=[[negative, {}]],
        encoded_audio=HostEncodedAudio(encoded),
        width=width,
        height=height,
        frame_rate=Fraction(16),
        reference_image=torch.rand([1, height, width, 3], generator=generator),
    )


def _run(clip_sampler: Any, host: Any, folder: Path, say=lambda text: None, drift=None) -> Any:
    from sound_to_video.core.render import sample_segments
    from sound_to_video.core.sampling.spool import LatentSpool

    latents = LatentSpool(folder)
    sample_segments(clip_sampler, host, latents, say, drift)
    return latents


def _no_network(apply: Any, given: dict[str, Any]) -> Any:
    """A ``model_function_wrapper`` of the host; a function with a name, so that its runs are kept."""
    return given["input"] * 0.5


def overhead(width: int, height: int, runs: int) -> dict[str, Any]:
    """Milliseconds per segment that sample_segments takes beyond the host's KSampler on the same conditioning.

    The network is left out, by the host's own hook (``model_function_wrapper``), so that a small difference can be
    seen; latents, features and motion are those of Wan2.2-S2V at ``width`` x ``height``, 80 frames a segment.
    """
    folder = import_all()
    import nodes
    import torch
    from sound_to_video.core.families import recognise
    from sound_to_video.core.render import plan_of
    from sound_to_video.core.sampling.host_sampler import HostSampler, SamplerSettings
    from sound_to_video.core.sampling.model_key import model_key
    from sound_to_video.core.sampling.store import SegmentStore

    settings = SamplerSettings(seed=1, steps=2, cfg=1.0, sampler_name="euler", scheduler="simple")
    recorded: list[tuple] = []

    class Recorder(HostSampler):
        def sample(self, model, positive, negative, latent, seed, **how):
            recorded.append((model, positive, negative, latent, seed))
            return super().sample(model, positive, negative, latent, seed, **how)

    with torch.inference_mode(), tempfile.TemporaryDirectory(dir=folder) as temporary:
        inputs = _wan_inputs(width, height, 3 * SEGMENT_SECONDS - 3 / 16)
        inputs.model.set_model_unet_function_wrapper(_no_network)
        family = recognise({"model": inputs.model})
        plan = plan_of(family, inputs, settings.seed, 0)
        clip_sampler = family.prepare(inputs, plan)
        _run(clip_sampler, Recorder(settings), Path(temporary))

        def ours(kept: bool) -> Measured:
            store = SegmentStore(Path(temporary) / "kept") if kept else None
            with Measured() as measured:
                _run(clip_sampler, HostSampler(settings, store), Path(temporary))
            shutil.rmtree(Path(temporary) / "kept", ignore_errors=True)
            return measured

        def core() -> Measured:
            with Measured() as measured:
                for model, positive, negative, latent, seed in recorded:
                    nodes.common_ksampler(
                        *(model, seed, settings.steps, settings.cfg, settings.sampler_name, settings.scheduler),
                        *(positive, negative, {"samples": latent}),
                    )
            return measured

        rounds = [(core(), ours(False), ours(True)) for _ in range(runs)]
    with Measured() as key:
        model_key(inputs.model, None)
    segments = len(plan.segments)

    def beyond(index: int, clock: str) -> float:
        differences = [getattr(turn[index], clock) - getattr(turn[0], clock) for turn in rounds]
        return 1000 * sorted(differences)[runs // 2] / segments

    return {
        "ms": beyond(1, "seconds"),
        "cpu_ms": beyond(1, "cpu_seconds"),
        "kept_ms": beyond(2, "seconds"),
        "kept_cpu_ms": beyond(2, "cpu_seconds"),
        "model_key_ms": key.seconds * 1000,
    }


def key_of_a_large_model() -> dict[str, Any]:
    """Milliseconds for the key of a MODEL with the entries of LTX-2.3 fp8 (8,477): 48 blocks, tiny tensors."""
    import_all()
    import torch
    from comfy.model_patcher import ModelPatcher
    from comfy.quant_ops import QuantizedTensor
    from sound_to_video.core.sampling.model_key import model_key

    class Network(torch.nn.Module):
        manual_cast_dtype = None
        get_dtype_inference = staticmethod(lambda: torch.bfloat16)

    def layer() -> torch.nn.Module:
        made = torch.nn.Module()
        weight = QuantizedTensor.from_float(torch.randn(64, 64), "TensorCoreFP8E4M3Layout")
        for name, tensor in {"weight": weight, "bias": torch.randn(64), "input_scale": torch.ones(())}.items():
            made.register_parameter(name, torch.nn.Parameter(tensor, requires_grad=False))
        return made

    network = Network()
    network.model_sampling = torch.nn.Module()
    network.blocks = torch.nn.ModuleList(torch.nn.ModuleList(layer() for _ in range(44)) for _ in range(48))
    cpu = torch.device("cpu")
    model = ModelPatcher(network, cpu, cpu)
    turns = []
    for _ in range(5):
        with Measured() as measured:
            model_key(model, None)
        turns.append(measured.seconds)
    entries = sum(2 if name.endswith("weight") else 1 for name, _ in network.named_parameters())
    return {"ms": 1000 * sorted(turns)[2], "entries": entries}


def resumed(size: int) -> dict[str, Any]:
    """A clip of six segments, whole; then stopped as its last one begins, and run again."""
    folder = import_all()
    import torch
    from sound_to_video.core.families import recognise
    from sound_to_video.core.render import plan_of
    from sound_to_video.core.sampling.host_sampler import HostSampler, SamplerSettings
    from sound_to_video.core.sampling.store import SegmentStore

    class Stop(Exception):
        pass

    settings = SamplerSettings(seed=1, steps=10, cfg=3.0, sampler_name="euler", scheduler="simple")
    with torch.inference_mode(), tempfile.TemporaryDirectory(dir=folder) as temporary:
        inputs = _wan_inputs(size, size, 6 * SEGMENT_SECONDS - 3 / 16)
        family = recognise({"model": inputs.model})
        clip_sampler = family.prepare(inputs, plan_of(family, inputs, settings.seed, 0))
        with Measured() as whole:
            undisturbed = _run(clip_sampler, HostSampler(settings), Path(temporary)).tensor()

        def stop(text: str) -> None:
            if "segment 6" in text:
                raise Stop

        store = SegmentStore(Path(temporary) / "kept")
        with contextlib.suppress(Stop):
            _run(clip_sampler, HostSampler(settings, store), Path(temporary), stop)
        host = HostSampler(settings, store)
        with Measured() as again:
            latents = _run(clip_sampler, host, Path(temporary)).tensor()
        equal = torch.equal(latents, undisturbed)
    return {"whole": whole.seconds, "again": again.seconds, "found": host.resumed_runs, "equal": equal}


def _ltx_inputs(size: int, seconds: float) -> Any:
    """Inputs for the small random LTX-2."""
    from types import SimpleNamespace

    from sound_to_video.tests.checkpoints import cache_folder, make
    from sound_to_video.tests.ltx import Models, inputs_of, sound

    def path(name: str) -> Path:
        return next(make(cache_folder(), [name]))

    models: Any = SimpleNamespace(folder=cache_folder(), path=path, name=lambda name: path(name).name)
    return inputs_of(Models(models), sound(round(seconds * 16000), 16000), width=size, height=size)


def drift(model: str, seconds: int, size: int, correction: float) -> dict[str, Any]:
    """Mean colour and contrast of the frames against the reference image, in the first and the last five seconds.

    colour: mean over red, green and blue of the distance of the frames' mean from the picture's, in levels of 255.
    contrast: standard deviation of a frame's pixels over the picture's. wander: how far the mean of a segment's frames
    lies from the first segment's, in levels of 255, the mean over all segments.
    """
    folder = import_all()
    import torch
    from sound_to_video.core.clip.video import SampledVideo
    from sound_to_video.core.families import recognise
    from sound_to_video.core.render import plan_of
    from sound_to_video.core.sampling.drift import DriftCorrection
    from sound_to_video.core.sampling.host_sampler import HostSampler, SamplerSettings

    settings = SamplerSettings(seed=1, steps=2, cfg=1.0, sampler_name="euler", scheduler="simple")
    with torch.inference_mode():
        inputs = _wan_inputs(size, size, seconds) if model == "wan" else _ltx_inputs(size, seconds)
        family = recognise({"model": inputs.model})
        clip_sampler = family.prepare(inputs, plan_of(family, inputs, settings.seed, SEGMENT_SECONDS))
        latents = _run(clip_sampler, HostSampler(settings), folder / "temp", drift=DriftCorrection(correction))
        frames = torch.cat(
            [_statistics(group) for group in SampledVideo(clip_sampler.decoder(), latents, None).stream_frames()]
        )
        picture = _statistics(inputs.reference_image)[0]
    window = SEGMENT_SECONDS * round(inputs.frame_rate)
    parts = {"first": frames[:window].mean(0), "last": frames[-window:].mean(0)}
    segments = torch.stack([part.mean(0) for part in frames[: len(frames) // window * window].split(window)])
    result: dict[str, Any] = {"frames": len(frames)}
    for name, part in parts.items():
        result[f"{name}_colour"] = 255 * (part[:3] - picture[:3]).abs().mean().item()
        result[f"{name}_contrast"] = (part[3] / picture[3]).item()
    result["wander"] = 255 * (segments[:, :3] - segments[0, :3]).abs().mean().item()
    result["contrast_wander"] = (segments[:, 3] / segments[0, 3] - 1).abs().mean().item()
    return result


def _statistics(images: Any) -> Any:
    """``[n, H, W, 3]`` -> ``[n, 4]``: mean red, green, blue, and the deviation of all pixels."""
    import torch

    return torch.cat([images.mean((1, 2)), images.std((1, 2, 3))[:, None]], dim=1)
