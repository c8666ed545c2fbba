"""Clips as the transformer makes them, for the decoder to learn from (``training.sharpen --rehearse``).

What the decoder is to show in the end is not what the encoder made of a clip, but what sampling arrives at, which is a
little off. As looks and sounds say exactly what a clip should be, it can learn to see through that.
"""

from __future__ import annotations

import itertools

from .host import DEVICE

# isort: split
import numpy as np
import torch
from sound_to_video.core.scene.no_text import scene_embedding

from . import lean, motion, video_autoencoder
from .clips import curve_of, make_sound, seeded, to_tensor
from .config import FRAME_RATE
from .drawing import LOOKS
from .latents import KINDS, load_autoencoders

SIGMAS = (1.0000, 0.9868, 0.9698, 0.9469, 0.9145, 0.8652, 0.7810, 0.6045, 0.0000)
"""The host's noise levels for LTX-2 with 8 steps of the scheduler "simple"."""
LATENTS = motion.LONGEST
FRAMES = 8 * (LATENTS - 1) + 1
LEAD = 12  # frames before, which a face's brows remember


class Rehearsal:
    """Sampled clips: their latents, and the looks and curves that they should have."""

    def __init__(self, seeds: range, at_a_time: int = 16):
        self.video, self.audio = load_autoencoders()
        self.network, state = motion.load()
        self.network.load_state_dict(state["averaged"])
        self.places = lean.places_for(self.network, LATENTS, FRAMES, FRAME_RATE)
        self.clips: list[tuple] = []
        for start in seeds[::at_a_time]:
            self.clips += self.sampled(range(start, min(start + at_a_time, seeds.stop)))

    @torch.no_grad()
    def sampled(self, seeds: range) -> list[tuple]:
        looks, curves, sounds, pictures, scenes = [], [], [], [], []
        for seed in seeds:
            random = seeded(6, seed)
            kind = KINDS[int(random.random() > 0.7)]
            samples = make_sound(random, kind, FRAMES / FRAME_RATE + 0.1).samples
            looks.append(LOOKS[kind](random))
            curves.append(curve_of(kind, samples, FRAMES))
            sound = self.audio.encode(torch.from_numpy(samples)[None, None].to(DEVICE), sample_rate=16000)
            sounds.append(sound[:, :, :FRAMES])
            reference = to_tensor(looks[-1].frames(np.zeros(1)))[None].to(DEVICE)
            pictures.append(video_autoencoder.encode(self.video, reference))
            scenes.append(scene_embedding(kind))
        statistics = self.video.per_channel_statistics
        reference = statistics.normalize(torch.cat(pictures))
        generator = torch.Generator().manual_seed(seeds.start)
        latents = torch.randn([len(looks), 128, LATENTS, *reference.shape[3:]], generator=generator).to(DEVICE)
        latents[:, :, :1] = reference
        sound, scene = torch.cat(sounds).float(), torch.cat(scenes).to(DEVICE)
        for level, following in itertools.pairwise(SIGMAS):
            levels = torch.full([len(looks), LATENTS], level, device=DEVICE)
            levels[:, 0] = 0
            made = lean.velocity(self.network, self.places, latents, sound, levels, scene)
            latents[:, :, 1:] += (following - level) * made[:, :, 1:]
        return list(zip(looks, curves, statistics.un_normalize(latents).cpu(), strict=True))

    def batch(self, step: int, count: int, latents: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
        """``latents`` of ``count`` clips as sampled ``[count, 128, latents, 4, 4]``, and frames as they should be."""
        random = seeded(7, step)
        parts, frames = [], []
        for index in random.choice(len(self.clips), count, replace=False):
            look, curve, made = self.clips[index]
            start = 0 if random.random() < 0.3 else int(random.integers(1, LATENTS - latents + 1))
            first = 8 * start
            lead = min(LEAD, first)
            wanted = look.frames(curve[first - lead : first + 8 * (latents - 1) + 1])[lead:]
            parts.append(made[:, start : start + latents])
            frames.append(to_tensor(wanted))
        return torch.stack(parts).to(DEVICE), torch.stack(frames).to(DEVICE)
