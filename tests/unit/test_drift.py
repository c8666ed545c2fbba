"""Drift correction: a scene keeps the colours of its own first segment."""

import torch
from sound_to_video.core.sampling.drift import DriftCorrection


def latents(mean: float) -> torch.Tensor:
    return torch.randn([1, 16, 5, 8, 8], generator=torch.Generator().manual_seed(1)) + mean


def test_segments_are_held_to_their_anchor_and_a_scene_has_its_own():
    drift = DriftCorrection(1.0)
    drift.anchor(latents(0))
    assert abs(drift.apply(latents(3)).mean().item()) < 0.01
    drift.anchor(latents(5))
    assert abs(drift.apply(latents(7)).mean().item() - 5) < 0.01


def test_no_strength_leaves_latents_as_they_are():
    drift = DriftCorrection(0.0)
    drift.anchor(latents(0))
    given = latents(3)
    assert drift.apply(given) is given
