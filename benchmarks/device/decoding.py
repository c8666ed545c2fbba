"""Decoding with VAEs of the real widths: frames a second and peak memory, whole frames and where memory is short."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from sound_to_video.benchmarks.device.networks import ltx_vae, peak_memory, wan_vae
from sound_to_video.benchmarks.device.rows import GIGABYTE, NO_CUDA, Row, checked, figure
from sound_to_video.benchmarks.device.start import start

SHORT = 0.75  # of what whole frames took, where memory is made short


def wan(tiny: bool) -> Iterator[Row]:
    """The Wan VAE, 96 channels wide: 9 latents, 33 frames."""
    start(tiny, keep_on_card=False)
    vae = wan_vae(4 if tiny else 96)
    for width, height in ((64, 64),) if tiny else ((832, 480), (1280, 704)):
        yield from _decoded(f"Wan VAE, {width}x{height}", vae, [1, 16, 9, height // 8, width // 8])


def ltx(tiny: bool) -> Iterator[Row]:
    """LTX-2's video VAE at its real widths: 9 latents, 65 frames."""
    start(tiny, keep_on_card=False)
    vae = ltx_vae(tiny)
    for width, height in ((64, 64),) if tiny else ((1280, 704), (1920, 1088)):
        yield from _decoded(f"LTX-2 VAE, {width}x{height}", vae, [1, 128, 9, height // 32, width // 32])


def _decoded(what: str, vae: Any, shape: list[int]) -> Iterator[Row]:
    import torch
    from sound_to_video.core.decoding.stream import decode_stream

    latents = torch.randn(shape, generator=torch.Generator().manual_seed(1))

    def decode() -> tuple[Any, float, int]:
        with torch.inference_mode(), peak_memory() as peak:
            started = time.perf_counter()
            frames = torch.cat(list(decode_stream(vae, [latents], shape[2])))
            seconds = time.perf_counter() - started
        return frames, seconds, peak()

    decode()
    whole, seconds, peak = decode()
    yield figure(f"{what}: decoded", len(whole) / seconds, "frames/s", 1)
    if not peak:
        yield Row(f"{what}: peak memory, and with too little of it", NO_CUDA)
        return
    yield figure(f"{what}: peak memory, weights included", peak / GIGABYTE, "GB")
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(SHORT * peak / total)
    name = f"{what}: with {SHORT * peak / GIGABYTE:.1f} GB allowed"
    try:
        tiled, seconds, short_peak = decode()
        yield figure(f"{name}, decoded", len(tiled) / seconds, "frames/s", 1)
        yield figure(f"{name}, peak memory", short_peak / GIGABYTE, "GB")
        off = float((tiled - whole).abs().mean())
        yield checked(f"{name}, against whole frames", tiled.shape == whole.shape, f"differs by {off:.4f} on average")
    except Exception as error:  # whatever it is, it belongs into the table
        yield checked(name, False, f"{type(error).__name__}: {str(error)[:200]}")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def to_file(tiny: bool) -> Iterator[Row]:
    """Latents to mp4, decoded on the way by the real-width Wan VAE: 81 frames of 832x480."""
    folder = start(tiny, keep_on_card=False)
    import torch
    from sound_to_video.core.clip.mux import write_clip
    from sound_to_video.core.decoding.stream import decode_stream

    vae, (width, height) = wan_vae(4 if tiny else 96), (64, 64) if tiny else (832, 480)
    count = 3 if tiny else 21
    steady = torch.randn([1, 16, 1, height // 8, width // 8], generator=torch.Generator().manual_seed(1))
    latents = steady + 0.05 * torch.randn([1, 16, count, height // 8, width // 8])
    path = folder / "temp" / "device.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = 0.0
    for _ in range(2):  # the second counts
        with torch.inference_mode():
            started = time.perf_counter()
            write_clip(path, decode_stream(vae, [latents], count), Fraction(16))
            seconds = time.perf_counter() - started
    what = f"{1 + 4 * (count - 1)} frames of {width}x{height}, decoded and encoded (x264, quality high)"
    yield figure(what, seconds, "s")
    path.unlink(missing_ok=True)
