"""Where AUDIO enters: anything that another node calls so is checked here, once."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import SoundToVideoError
from ..tensors import no_tensor
from .lazy import Audio, TensorSource, check_finite

HIGHEST_SAMPLE_RATE = 1 << 24  # 16.8 MHz; DSD, the highest in use, is read at 2.8 MHz at most


def audio_from(audio: Any) -> Audio:
    """Any AUDIO of the graph (core's dict, another pack's Mapping, an ``Audio``) as an ``Audio``, checked once.

    ``audio["waveform"]``: [1, C, T] floating point, finite, C and T > 0; ``audio["sample_rate"]``: Hz. A tensor is
    kept, not copied, where it is float32 on the CPU already. An ``Audio`` of ours into which another node has put other
    values is taken with these. Raises SoundToVideoError.
    """
    if isinstance(audio, Audio) and not audio.is_changed:
        return audio
    if audio is None:
        raise SoundToVideoError("there is no audio: the video it comes from may have no sound.")
    waveform, sample_rate = _values(audio)
    rate = _checked_rate(sample_rate)
    samples = _checked_samples(waveform)
    check_finite(samples.numpy(), 0, rate)
    return Audio(TensorSource(samples, rate))


def _values(audio: Any) -> tuple[Any, Any]:
    """Waveform and sample rate; a lazy AUDIO of another pack may fail on giving them."""
    if not isinstance(audio, Mapping):
        raise _not_audio(audio)
    try:
        if "waveform" not in audio or "sample_rate" not in audio:
            raise _not_audio(audio)
        return audio["waveform"], audio["sample_rate"]
    except Exception as error:
        if isinstance(error, SoundToVideoError) or _is_for_the_host(error):
            raise
        what = " ".join(f"{type(error).__name__} {error}".split())
        raise SoundToVideoError(f"the audio cannot be had from the node that made it ({what}). Look there.") from error


def _not_audio(value: Any) -> SoundToVideoError:
    found = ""
    if isinstance(value, Mapping):
        found = f" with {', '.join(map(str, value)) or 'nothing in it'}"
    return SoundToVideoError(f"expected AUDIO with waveform and sample_rate, got {type(value).__name__}{found}.")


def _is_for_the_host(error: Exception) -> bool:
    """Interrupts and lack of memory, which the host deals with."""
    from comfy.model_management import InterruptProcessingException

    return isinstance(error, (InterruptProcessingException, MemoryError, torch.OutOfMemoryError))


def _checked_rate(sample_rate: Any) -> int:
    try:
        rate = int(sample_rate)
        if rate == sample_rate and 0 < rate <= HIGHEST_SAMPLE_RATE:
            return rate
    except (TypeError, ValueError, OverflowError, RuntimeError):  # NaN, infinity, None, a list, a tensor of many
        pass
    told = sample_rate if isinstance(sample_rate, (int, float)) else type(sample_rate).__name__
    raise SoundToVideoError(
        f"the sample rate must be a whole number of Hz from 1 to {HIGHEST_SAMPLE_RATE}, got {told}. "
        "Mend the node that made the audio."
    )


def _checked_samples(waveform: Any) -> Tensor:
    """[C, T] float32 on the CPU."""
    what = no_tensor(waveform)
    if what:
        raise _not_a_waveform(what)
    if not waveform.is_floating_point() or waveform.ndim != 3:
        raise _not_a_waveform(f"{waveform.dtype} {list(waveform.shape)}")
    batch, channels, samples = waveform.shape
    if batch != 1:
        raise SoundToVideoError(f"the audio is a batch of {batch}; give one sound at a time.")
    if channels == 0 or samples == 0:
        raise SoundToVideoError("the audio has 0 samples; give one that lasts longer than nothing.")
    return waveform[0].detach().to(device="cpu", dtype=torch.float32).resolve_neg()


def _not_a_waveform(found: str) -> SoundToVideoError:
    return SoundToVideoError(f"the waveform must be floating point of shape [1, channels, samples], got {found}.")
