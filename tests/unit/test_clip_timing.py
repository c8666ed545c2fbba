"""Clips of any length: as long as their sound, the sound in its place, nothing sampled that it does not reach."""

import random
from fractions import Fraction

import av
import folder_paths
import numpy as np
import pytest
import torch
from sound_to_video.core.audio import Audio, audio_from
from sound_to_video.core.clip.mux import write_clip
from sound_to_video.core.clip.video import SampledVideo
from sound_to_video.core.families import FAMILIES, SamplerInputs
from sound_to_video.core.render import plan_of, sample_segments
from sound_to_video.core.sampling.host_sampler import HostSampler, SamplerSettings
from sound_to_video.core.sampling.spool import LatentSpool
from sound_to_video.tests.families import Small, small

SIZE = 64
FEW_LENGTHS = [0.3, 1.2345, 4.5678]  # for slow families: the last has two segments
SETTINGS = SamplerSettings(seed=1, steps=1, cfg=1.0, sampler_name="euler", scheduler="simple")


def some_lengths(count: int = 30) -> list[float]:
    """From 0.3 to 40 s, as many short as long ones."""
    draw = random.Random(20)
    return [0.3, 40.0] + [round(0.3 * (40 / 0.3) ** draw.random(), 4) for _ in range(count - 2)]


@pytest.fixture(scope="module", params=[family.id for family in FAMILIES])
def loaded(request, checkpoints) -> Small:
    return small(request.param, checkpoints)


def impulse(seconds: float, sample_rate: int, at: float) -> Audio:
    waveform = torch.zeros([1, 2, round(seconds * sample_rate)])
    waveform[..., round(at * sample_rate)] = 0.9
    return audio_from({"waveform": waveform, "sample_rate": sample_rate})


def sampled(loaded: Small, audio: Audio) -> tuple[SampledVideo, LatentSpool]:
    family = loaded.family
    width = torch.Generator().manual_seed(1)
    inputs = SamplerInputs(
        model=loaded.model,
        vae=loaded.vae,
        positive=[[torch.randn([1, 2, 1024], generator=width), {}]],
        negative=[[torch.zeros([1, 2, 1024]), {}]],
        encoded_audio=loaded.encoded(audio),
        width=SIZE,
        height=SIZE,
        frame_rate=family.rate(0),
        reference_image=torch.rand([1, SIZE, SIZE, 3], generator=width),
        options=loaded.options,
    )
    family.check(inputs)
    clip_sampler = family.prepare(inputs, plan_of(family, inputs, SETTINGS.seed, 0))
    latents = LatentSpool(folder_paths.get_temp_directory())
    sample_segments(clip_sampler, HostSampler(SETTINGS), latents)
    return SampledVideo(clip_sampler.decoder(), latents, audio), latents


def heard(path: str) -> tuple[Fraction, Fraction, float]:
    """Seconds of picture, seconds of sound, and the time of the loudest sample, as a player has them."""
    with av.open(path) as file:
        video, audio = file.streams.video[0], file.streams.audio[0]
        pictures = sum(1 for _ in file.decode(video))
        file.seek(0)
        start = None
        pieces = []
        for frame in file.decode(audio):
            start = frame.pts * frame.time_base if start is None else start
            pieces.append(frame.to_ndarray())
        samples = np.concatenate(pieces, axis=1)
        peak = start + Fraction(int(np.abs(samples[0]).argmax()), audio.rate)
        # A decoder gives the last AAC frame whole; the track's duration is what a player stops at.
        return pictures / video.average_rate, audio.duration * audio.time_base, float(peak)


@pytest.mark.slow
def test_many_lengths(loaded, tmp_path, record_property):
    draw = random.Random(3)
    worst_length = worst_impulse = 0.0
    for seconds in FEW_LENGTHS if loaded.is_slow else some_lengths():
        sample_rate = draw.choice([16000, 22050, 44100, 48000])
        at = seconds * draw.uniform(0.1, 0.9)
        audio = impulse(seconds, sample_rate, at)
        with torch.inference_mode():
            video, latents = sampled(loaded, audio)
            path = str(tmp_path / "clip.mp4")
            write_clip(path, video.stream_frames(), video.get_frame_rate(), audio)
        frame = 1 / video.get_frame_rate()
        pictures, sound, peak = heard(path)
        assert abs(pictures - audio.duration) <= frame / 2, seconds
        grid = loaded.family.grid
        assert latents.tensor().shape[2] == grid.latent_count(video.get_frame_count()), "no latent too many"
        worst_length = max(worst_length, float(abs(pictures - sound) / frame))
        worst_impulse = max(worst_impulse, abs(peak - round(at * sample_rate) / sample_rate))
    record_property(
        "worst", f"picture and sound {worst_length:.3f} frames, impulse {worst_impulse * 1000:.3f} ms apart"
    )
    assert worst_length <= 0.5
    assert worst_impulse < 0.001
