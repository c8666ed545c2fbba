"""What the small model learns from, clips that are the same for the same seed and move with their sound; and how."""

import copy

import comfy.model_management
import comfy.ops
import numpy as np
import pytest
import torch
from comfy.ldm.lightricks.av_model import LTXAVModel
from sound_to_video.core.sync.measure import measure_sync
from sound_to_video.training import lean, sounds
from sound_to_video.training.clips import HEARD, PAIRS, curve_of, make_frames, seeded
from sound_to_video.training.config import FRAME_RATE, TRANSFORMER
from sound_to_video.training.drawing import LOOKS, SIZE
from sound_to_video.training.optimizers import Optimizers

SECONDS = 4.0
FOLLOWED = {"face": "loudness", "shapes": "onsets"}


@pytest.mark.parametrize("kind", LOOKS)
def test_the_same_seed_draws_the_same_clip_and_another_another(kind):
    curve = np.linspace(0, 1, 5)
    first, again, other = (make_frames(seeded(1, seed), kind, curve) for seed in (7, 7, 8))
    assert first.shape == (5, SIZE, SIZE, 3) and first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", LOOKS)
def test_a_look_is_the_same_at_any_size(kind):
    small, large = (make_frames(seeded(1, 3), kind, np.array([0.5]), size)[0] for size in (SIZE, 4 * SIZE))
    reduced = large.reshape(SIZE, 4, SIZE, 4, 3).mean(axis=(1, 3))
    assert np.abs(reduced - small).mean() < 3


@pytest.mark.parametrize(
    "kind, sound", [("face", "bursts"), ("face", "notes"), ("shapes", "drums"), ("shapes", "notes")]
)
def test_the_picture_follows_the_sound_from_the_third_frame_on(kind, sound):
    random = seeded(2, 4)
    samples = sounds.mastered(random, sounds.SOUNDS[sound](random, SECONDS))
    curve = curve_of(kind, samples, int(SECONDS * FRAME_RATE))
    assert curve[0] == 0 and curve.max() > 0.3
    frames = torch.from_numpy(make_frames(random, kind, curve)).float() / 255
    audio = {"waveform": torch.from_numpy(samples)[None, None], "sample_rate": sounds.RATE}
    sync = measure_sync([frames], FRAME_RATE, audio, FOLLOWED[kind])
    assert sync.correlation > 0.93
    assert abs(sync.lag_frames) < 0.3


def test_only_the_mouth_and_the_brows_of_a_face_move():
    frames = make_frames(seeded(1, 5), "face", np.array([0.0, 1.0])).astype(int)
    moved = np.abs(frames[1] - frames[0]).max(axis=2) > 8
    assert 0.01 < moved.mean() < 0.15
    assert not moved[: SIZE // 8].any() and not moved[-SIZE // 16 :].any()


def test_held_out_voices_are_not_among_those_trained_on():
    assert not set(sounds.HELD_OUT_LANGUAGES) & set(sounds.LANGUAGES)
    assert not set(sounds.HELD_OUT_VARIANTS) & set(sounds.VARIANTS)


def test_every_kind_has_its_sounds():
    assert set(PAIRS) == set(LOOKS) == set(HEARD)
    for shares in PAIRS.values():
        assert sum(shares.values()) == pytest.approx(1)
        assert set(shares) <= set(sounds.SOUNDS)


def test_asking_the_training_modules_leaves_the_host_as_it_is_in_use():
    """Other tests run in this process, and with ``in_training`` the host computes otherwise (training/host.py)."""
    assert not comfy.model_management.in_training


@pytest.mark.slow
def test_what_is_trained_is_what_the_host_runs():
    torch.manual_seed(0)
    network = LTXAVModel(**TRANSFORMER, operations=comfy.ops.disable_weight_init, device="cpu", dtype=torch.float32)
    for name, parameter in network.named_parameters():
        to_the_sound = "video_to_audio_attn.to_out" in name  # which training leaves at nothing
        torch.nn.init.normal_(parameter, std=0.0 if to_the_sound else 0.1)
    latents, sounds_heard = 5, 33
    noisy, sound = torch.randn(2, 128, latents, 4, 4), torch.randn(2, 8, sounds_heard, 16)
    levels, scene = torch.rand(2, latents), torch.randn(2, 1, 128)
    with torch.no_grad():
        times = (levels.repeat_interleave(noisy[0, 0, 0].numel(), dim=1)[..., None], torch.zeros(2, sounds_heard, 1))
        wanted = network([noisy, sound], times, scene, frame_rate=FRAME_RATE)[0]
        places = lean.places_for(network, latents, sounds_heard, FRAME_RATE)
        made = lean.velocity(network, places, noisy, sound, levels, scene)
    assert (made - wanted).abs().max() < 1e-4 * wanted.abs().max()


@pytest.mark.slow
def test_kernels_and_biases_learn_and_go_on_where_they_were():
    def learn(steps, state=None):
        torch.manual_seed(0)
        teacher, pupil = (torch.nn.Conv3d(3, 4, 3, padding=1) for _ in range(2))
        optimizers = Optimizers(pupil.parameters(), [pupil.weight], rate=0.02)
        if state:
            pupil.load_state_dict(state[0])
            optimizers.go_on(state[1])
        for step in range(*steps):
            torch.manual_seed(step)
            seen = torch.randn(2, 3, 4, 8, 8)
            loss = (pupil(seen) - teacher(seen)).square().mean()
            loss.backward()
            optimizers.step(1.0)
            assert all(one.grad is None for one in pupil.parameters())
        return (copy.deepcopy(pupil.state_dict()), copy.deepcopy(optimizers.kept())), float(loss.detach())

    (start, _), at_first = learn((0, 1))
    halfway, _ = learn((0, 20))
    (end, _), at_last = learn((0, 40))
    assert at_last < 0.1 * at_first
    assert not torch.equal(start["bias"], end["bias"])
    (resumed, _), _ = learn((20, 40), halfway)
    assert all(torch.equal(resumed[name], end[name]) for name in end)
