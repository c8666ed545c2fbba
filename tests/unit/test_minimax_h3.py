"""MiniMax H3 against the host's own graph; and what goes on where that graph ends."""

import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import comfy.samplers
import comfy.utils
import folder_paths
import pytest
import torch
from sound_to_video.benchmarks.process import Measured
from sound_to_video.core.audio import audio_from
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import FAMILIES, listen, recognise
from sound_to_video.core.families.minimax import h3
from sound_to_video.core.families.minimax.clip_sampler import GRID, key_frames, sampled_latents
from sound_to_video.core.families.minimax.h3 import MiniMaxH3
from sound_to_video.core.families.minimax.sound import H3Sound
from sound_to_video.core.plan import Segment, plan_clip
from sound_to_video.core.render import plan_of, sample_segments
from sound_to_video.core.sampling.host_sampler import HostSampler
from sound_to_video.core.sampling.spool import LatentSpool
from sound_to_video.core.sampling.store import SegmentStore
from sound_to_video.core.scene.key_frames import KeyFrame
from sound_to_video.core.scene.prompts import placed
from sound_to_video.tests.ltx import pictures, sound
from sound_to_video.tests.minimax import RATE, SETTINGS, SIZE, Models, TextEncoder, inputs_of, text

FRAMES = 22  # of one short window: 37 latents of sound
WHOLE = 37 * 800  # samples: what the host's VAE Encode Audio cuts nothing of
OVERLAPS = {1: 0, 18: 1, 35: 2, 52: 3}  # frames: whole turns of latents

pytestmark = pytest.mark.usefixtures("as_in_a_node")


@pytest.fixture(scope="module")
def models(checkpoints) -> Models:
    return Models(checkpoints)


class Watched(HostSampler):
    """The host's sampler; what went into every run and came out is kept."""

    def __init__(self, settings=SETTINGS, store=None):
        super().__init__(settings, store)
        self.runs: list[dict] = []

    def sample(self, model, positive, negative, latent, seed, **how):
        result = super().sample(model, positive, negative, latent, seed, **how)
        masks = how["noise_mask"].unbind()
        self.runs.append({"positive": positive, "in": latent.unbind(), "masks": masks, "out": result.unbind()})
        return result


def sampled(inputs, segment_seconds=0, settings=SETTINGS, family=None, store=None):
    """The plan, the runs of the sampler, and the new latents of every segment."""
    family = family or recognise({"model": inputs.model})
    family.check(inputs)
    plan = plan_of(family, inputs, settings.seed, segment_seconds)
    host, latents = Watched(settings, store), LatentSpool(folder_paths.get_temp_directory())
    sample_segments(family.prepare(inputs, plan), host, latents)
    return plan, host, list(latents)


def host_graph(models: Models, audio: dict, positive: list, latent: dict, settings=SETTINGS):
    """The template's sampling, of the conditioning and latent of its first node, the sound frozen as LTX's has it."""
    import nodes
    from comfy_extras.nodes_audio import VAEEncodeAudio
    from comfy_extras.nodes_custom_sampler import (
        BasicGuider,
        BasicScheduler,
        KSamplerSelect,
        RandomNoise,
        SamplerCustomAdvanced,
    )
    from comfy_extras.nodes_lt import LTXVConcatAVLatent, LTXVSeparateAVLatent
    from comfy_extras.nodes_mask import SolidMask

    heard = VAEEncodeAudio.execute(models.audio_vae, audio)[0]
    (heard,) = nodes.SetLatentNoiseMask().set_mask(heard, SolidMask.execute(0, 64, 64)[0])
    joint = LTXVConcatAVLatent.execute(latent, heard)[0]
    result = SamplerCustomAdvanced.execute(
        RandomNoise.execute(settings.seed)[0],
        BasicGuider.execute(models.model, positive)[0],
        KSamplerSelect.execute(settings.sampler_name)[0],
        BasicScheduler.execute(models.model, settings.scheduler, settings.steps, 1.0)[0],
        joint,
    )[0]
    return LTXVSeparateAVLatent.execute(result).args[0]["samples"]


def host_conditioning(models: Models, image=None, last=None, frames=FRAMES):
    """The template's first node: the prompt encoded with its pictures, and key frames of them."""
    from comfy_extras.nodes_minimax_h3 import MiniMaxH3ImageToVideo

    made = MiniMaxH3ImageToVideo.execute(
        TextEncoder(), models.vae, "a singer", SIZE, SIZE, frames, first_frame=image, last_frame=last
    )
    return made.args


@pytest.mark.parametrize("image", [None, pictures(1, SIZE, SIZE)], ids=["sound alone", "image"])
def test_one_window_is_the_hosts_graph_to_the_bit(models, image):
    audio = sound(WHOLE, RATE)
    positive, latent = host_conditioning(models, image)
    plan, _, (ours,) = sampled(inputs_of(models, audio, positive=positive, reference_image=image))
    assert plan.frame_count == FRAMES
    theirs = host_graph(models, audio, positive, latent)
    assert theirs.std() > 0.1
    assert torch.equal(ours, theirs)
    if image is not None:
        without = sampled(inputs_of(models, audio, positive=text(), reference_image=None))[2][0]
        assert not torch.equal(ours, without)


def test_a_window_of_the_models_full_length_is_one_segment(models):
    """362 frames, 15.08 s: the last latent stays with them."""
    audio = sound(round(362 / 24 * RATE) // 800 * 800, RATE)
    positive, latent = host_conditioning(models, frames=362)
    inputs = inputs_of(models, audio, positive=positive, reference_image=None, width=32, height=32)
    inputs = replace(inputs, width=SIZE, height=SIZE)
    plan, host, (ours,) = sampled(inputs, settings=replace(SETTINGS, steps=1))
    assert len(plan.segments) == 1 and ours.shape[2] == 107 and plan.notes == ()
    heard = host.runs[0]["in"][1]
    assert heard.shape == latent["samples"].unbind()[1].shape
    assert torch.equal(ours, host_graph_of(models, heard, positive, latent, replace(SETTINGS, steps=1)))


def host_graph_of(models, heard, positive, latent, settings):
    """As ``host_graph``, for latents of a sound."""
    from unittest.mock import patch

    from comfy_extras.nodes_audio import VAEEncodeAudio

    with patch.object(VAEEncodeAudio, "execute", lambda *_: [{"samples": heard}]):
        return host_graph(models, {}, positive, latent, settings)


def test_references_are_the_hosts(models):
    """Of the model for references: pictures and a voice before the clip, and a first frame."""
    from comfy_extras.nodes_minimax_h3 import MiniMaxH3AddGuide, MiniMaxH3ReferenceToVideo

    audio, image = sound(WHOLE, RATE), pictures(1, SIZE, SIZE)
    positive, latent = MiniMaxH3ReferenceToVideo.execute(
        TextEncoder(),
        models.vae,
        models.audio_vae,
        "a singer",
        SIZE,
        SIZE,
        FRAMES,
        ref_images={"ref_image_0": pictures(1, 96, 64)},
        ref_audios={"ref_audio_0": sound(8000, RATE, seed=9)},
    ).args
    with_first = MiniMaxH3AddGuide.execute(positive, latent, 0, vae=models.vae, image=image)[0]
    _, _, (ours,) = sampled(inputs_of(models, audio, positive=positive, reference_image=image))
    assert torch.equal(ours, host_graph(models, audio, with_first, latent))
    _, _, (alone,) = sampled(inputs_of(models, audio, positive=positive, reference_image=None))
    assert torch.equal(alone, host_graph(models, audio, positive, latent))
    assert not torch.equal(alone, ours)


def test_a_last_frame_is_the_hosts(models):
    audio, image = sound(WHOLE, RATE), pictures(1, SIZE, SIZE)
    positive, latent = host_conditioning(models, image, image.flip(1))
    _, _, (ours,) = sampled(inputs_of(models, audio, positive=positive, reference_image=image))
    assert torch.equal(ours, host_graph(models, audio, positive, latent))


@pytest.mark.parametrize("sampler_name", ["res_multistep", "euler_ancestral"])
def test_the_sound_is_given_at_every_step(models, monkeypatch, sampler_name):
    """What the network gets is the sound, its noise level 0; what every step predicts is the sound to the bit."""
    seen, times, predicted = [], [], []
    network = type(models.model.get_model_object("diffusion_model"))
    run, embed = network._forward, h3.comfy.ldm.minimax.model.TimeEmbedder.forward

    def heard(self, x, *args, **how):
        seen.append(x[1].clone())
        return run(self, x, *args, **how)

    def masked(self, *args, **how):
        result = predict(self, *args, **how)
        predicted.append(comfy.utils.unpack_latents(result, self.inner_model.inner_model.latent_shapes)[1])
        return result

    def timed(self, t):
        times.append(t.clone())
        return embed(self, t)

    predict = comfy.samplers.KSamplerX0Inpaint.__call__
    monkeypatch.setattr(comfy.samplers.KSamplerX0Inpaint, "__call__", masked)
    monkeypatch.setattr(network, "_forward", heard)
    monkeypatch.setattr(h3.comfy.ldm.minimax.model.TimeEmbedder, "forward", timed)
    settings = replace(SETTINGS, steps=4, sampler_name=sampler_name)
    _, host, _ = sampled(inputs_of(models, sound(WHOLE, RATE)), settings=settings)
    (run_of_it,) = host.runs
    given = run_of_it["in"][1]
    assert run_of_it["masks"][1].eq(0).all()
    torch.testing.assert_close(run_of_it["out"][1], given)  # the sampler's own last addition rounds
    assert len(seen) == len(times) == len(predicted) == 4
    carried = models.model.model.model_sampling.audio_scale  # 4, and so without rounding
    assert all(torch.equal(latents / carried, given) for latents in predicted)
    for latents in seen:  # carried on the picture's schedule by the host: there and back is a rounding or two
        torch.testing.assert_close(latents, given, rtol=1e-6, atol=0)
    assert all(1.0 in levels for levels in times)


def test_another_sound_is_another_picture(models):
    one, other = (sampled(inputs_of(models, sound(WHOLE, RATE, seed=seed)))[2][0] for seed in (2, 3))
    assert (one - other).abs().mean() > 1e-3


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_segments_share_latents_to_the_bit(models, overlap):
    """Every window is one of the model's, begins with a turn of the clip, and knows as many frames as was asked."""
    family = MiniMaxH3(OVERLAPS[overlap])
    plan, host, latents = sampled(inputs_of(models, sound(9 * RATE, RATE)), 4, family=family)
    clip = torch.cat(latents, dim=2)
    assert len(plan.segments) > 2 and clip.shape[2] == plan.latent_count
    for segment, run in zip(plan.segments, host.runs, strict=True):
        picture, heard = run["in"]
        frames = GRID.frame_count(picture.shape[2])
        assert segment.latent_start % 5 == 0 and picture.shape[2] % 5 == 2
        assert heard.shape == (1, 32, 2, round(frames * 40 / 24))
        known = segment.overlap
        assert GRID.frame_count(known) == (overlap if segment.index else 0)
        assert torch.equal(picture[:, :, :known], clip[:, :, segment.latent_start : segment.latent_start + known])
        assert run["masks"][0][:, :, :known].eq(0).all() and run["masks"][0][:, :, known:].eq(1).all()
        torch.testing.assert_close(run["out"][0][:, :, :known], picture[:, :, :known])
        assert run["masks"][1].eq(0).all()


def test_every_segment_hears_the_sound_under_its_frames(models):
    """Its latents are those of the very stretch, from the sample on at which its first frame is shown."""
    audio = audio_from(sound(12 * 44100, 44100))
    inputs = inputs_of(models, H3Sound(audio, models.audio_vae))
    plan = plan_of(MiniMaxH3(), inputs, 0, 5)
    clip_sampler = MiniMaxH3().prepare(inputs, plan)
    assert len(plan.segments) > 2
    for segment, heard in zip(plan.segments, clip_sampler.sounds, strict=True):
        start = Fraction(17 * segment.latent_start // 5, 24)
        stretch = audio.between(start, min(Fraction(12), start + Fraction(heard.shape[3], 40)))
        alone = H3Sound(stretch, models.audio_vae).latents(0, heard.shape[3])
        middle = slice(4, int((min(12, start + Fraction(heard.shape[3], 40)) - start) * 40) - 4)
        near, far = (heard - alone)[..., middle].abs().max(), (heard - alone.roll(1, 3))[..., middle].abs().max()
        assert near < far / 20, "what is left is the filter at the stretch's edges, and less than a sample"


def test_an_impulse_is_heard_where_it_is_seen(models):
    at_seconds, seconds = 6.5, 9
    waves = [torch.zeros([1, 2, RATE * seconds]) for _ in range(2)]
    waves[1][..., int(at_seconds * RATE)] = 1.0
    made = [inputs_of(models, {"waveform": wave, "sample_rate": RATE}) for wave in waves]
    plan = plan_of(MiniMaxH3(), made[0], 0, 4)
    quiet, loud = (MiniMaxH3().prepare(inputs, plan).sounds for inputs in made)
    shown = 0
    for segment, before, after in zip(plan.segments, quiet, loud, strict=True):
        starts = GRID.first_frame(segment.latent_start) / 24
        in_segment = at_seconds - starts
        changed = (before - after).abs().amax(dim=(0, 1, 2))
        if not 0 <= in_segment < before.shape[3] / 40:
            assert not changed.any()
            continue
        shown += 1
        assert abs(changed.argmax().item() / 40 - in_segment) <= 0.05
        assert changed[: max(0, int(in_segment * 40) - 13)].eq(0).all(), "the encoder looks ahead by 12 latents"
    assert shown >= 1


def test_mono_is_heard_on_both_sides_and_six_channels_are_mixed(models):
    mono, stereo, six = (audio_from(sound(8000, RATE, channels)) for channels in (1, 2, 6))
    left, right = H3Sound(mono, models.audio_vae).latents(0, 10)[0].unbind(dim=1)
    assert torch.equal(left, right)
    assert H3Sound(stereo, models.audio_vae).latents(0, 10).shape == (1, 32, 2, 10)
    assert H3Sound(six, models.audio_vae).latents(Fraction(1, 3), 10).isfinite().all()
    silence = H3Sound(audio_from({"waveform": torch.zeros([1, 2, 8000]), "sample_rate": RATE}), models.audio_vae)
    beyond = H3Sound(stereo, models.audio_vae).latents(7, 10)
    assert torch.equal(beyond, silence.latents(7, 10)), "what comes after the sound is silence"


def test_audio_encode_takes_the_audio_vae(models):
    encoded = listen(audio_from(sound(8000, RATE)), audio_vae=models.audio_vae)
    assert isinstance(encoded, H3Sound) and encoded.duration == Fraction(1, 4)
    driven = listen(
        audio_from(sound(8000, RATE)), audio_vae=models.audio_vae, driving_audio=audio_from(sound(8000, RATE, seed=7))
    )
    assert isinstance(driven, H3Sound) and not torch.equal(driven.latents(0, 10), encoded.latents(0, 10))
    with pytest.raises(SoundToVideoError, match=r"is a MiniMaxH3VideoVAE, not .* an audio VAE of MiniMax H3"):
        listen(audio_from(sound(8000, RATE)), audio_vae=models.vae)


def network_that_draws_what_it_hears(model):
    """The MODEL with a network that draws the sound at each latent's time, smoothly: as a trained one does it."""
    from comfy.ldm.minimax.model import time_shift_sigma

    def network(_, args):
        picture, heard = comfy.utils.unpack_latents(args["input"], args["c"]["latent_shapes"])
        sigma = args["timestep"].flatten()[0].clamp(min=1e-6)
        waves = (heard * time_shift_sigma(sigma, 12.0, 3.0) / sigma)[0, :2].mean(dim=1)
        begins = torch.tensor([GRID.first_frame(index) for index in range(picture.shape[2] + 1)])
        middles = (begins[1:] + begins[:-1] - 1) / 2 / 24
        at = (middles * 40).clamp(max=waves.shape[1] - 1.001)
        below = at.floor().long()
        cosine, sine = (torch.lerp(wave[below], wave[below + 1], at - below) for wave in waves)
        turns = torch.arange(picture.shape[1]) * 2 * torch.pi / picture.shape[1]
        drawn = turns.cos()[:, None] * cosine + turns.sin()[:, None] * sine
        return comfy.utils.pack_latents([drawn[None, :, :, None, None].expand_as(picture).contiguous(), heard])[0]

    patched = model.clone()
    patched.set_model_unet_function_wrapper(network)
    return patched


class Sweep(H3Sound):
    """Encoded audio that turns at a constant speed, once in 3.7 s; later segments hear it ``early`` seconds."""

    def __init__(self, models: Models, seconds: int, early: Fraction = Fraction(0)):
        super().__init__(audio_from(sound(RATE * seconds, RATE)), models.audio_vae)
        self._early = early

    def latents(self, start_seconds, count):
        start = start_seconds + (self._early if start_seconds else 0)
        phase = (float(start) + torch.arange(count) / 40) * 2 * torch.pi / 3.7
        latents = torch.zeros([1, 32, 2, count])
        latents[0, 0], latents[0, 1] = phase.cos(), phase.sin()
        return latents


def seam(pieces: torch.Tensor, joins: list[int]) -> float:
    """The largest change at a join by the 95th percentile of those within segments."""
    changes = (pieces[1:] - pieces[:-1]).abs().flatten(1).mean(dim=1)
    within = torch.ones_like(changes, dtype=torch.bool)
    within[joins] = False
    return (changes[joins].max() / changes[within].quantile(0.95)).item()


def joined(models, overlap: int, early: Fraction = Fraction(0)) -> tuple[float, float]:
    """``seam`` of latents and of frames of a clip by the smooth network."""
    family = MiniMaxH3(OVERLAPS[overlap])
    smooth = network_that_draws_what_it_hears(models.model)
    inputs = inputs_of(models, Sweep(models, 12, early), model=smooth, reference_image=None)
    plan, _, latents = sampled(inputs, 5, family=family)
    assert len(plan.segments) >= 3
    clip = torch.cat(latents, dim=2)[0].transpose(0, 1)
    firsts = [segment.latent_start + segment.overlap for segment in plan.segments[1:]]
    frames = torch.cat(list(family.prepare(inputs, plan).decoder().frames(latents)))
    return seam(clip, [first - 1 for first in firsts]), seam(frames, [GRID.first_frame(n) - 1 for n in firsts])


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_no_seam_on_a_smooth_model(models, overlap, record_property):
    of_latents, of_frames = joined(models, overlap)
    record_property("seam", f"{overlap} frames known: latents {of_latents:.3f}, frames {of_frames:.3f}")
    assert of_latents <= 1 and of_frames <= 1.01  # frames change a little more where any turn begins


def test_segments_that_hear_the_sound_early_have_a_seam(models):
    of_latents, _ = joined(models, 18, Fraction(1, 2))
    assert of_latents > 1.5


def test_thirty_random_lengths_last_as_long_as_their_sound():
    draw = random.Random(7)
    for overlap in OVERLAPS.values():
        family = MiniMaxH3(overlap)
        for _ in range(30):
            seconds = Fraction(draw.randint(100, 60000), 1000)
            length = family.segment_length_for(Fraction(24), draw.choice([0, 0, 3, 5, 10]))
            plan = plan_clip(seconds, 24, GRID, length)
            assert abs(Fraction(plan.frame_count, 24) - seconds) <= Fraction(1, 48) or plan.frame_count == 1
            assert plan.latent_count == GRID.latent_count(plan.frame_count)
            for segment in plan.segments:
                assert segment.latent_start % 5 == 0 and sampled_latents(segment) <= length.latent_count + 1


def test_no_window_is_shorter_than_the_model_was_trained_on_where_the_sound_is_not():
    family = MiniMaxH3()
    assert GRID.frame_count(family.segment_length.latent_count + 1) == 362
    assert GRID.frame_count(family.segment_length_for(Fraction(24), 5).latent_count + 1) == 124
    for frames in range(124, 4000, 7):
        plan = family.plan(Fraction(frames, 24), Fraction(24))
        assert plan.notes == (), plan.describe()
    assert "was trained on 5.2 s to 15.1 s" in family.plan(2, Fraction(24)).describe()
    assert "was trained on" in family.plan(40, Fraction(24), 20).describe()


def test_prompts_and_cuts_begin_with_a_turn(models):
    prompts = placed(text("verse"), 0, False) + placed(text("a chorus"), 4, False) + placed(text("bridge!"), 8, True)
    inputs = inputs_of(models, sound(12 * RATE, RATE), positive=prompts, reference_image=pictures(2, SIZE, SIZE))
    plan, host, latents = sampled(inputs)
    starts = [plan.start_seconds(segment) for segment in plan.segments]
    assert [segment.starts_afresh for segment in plan.segments] == [True, False, True]
    assert all(abs(start - asked) <= Fraction(17, 48) for start, asked in zip(starts, (0, 4, 8), strict=True))
    first, following, after_cut = (run["positive"][0] for run in host.runs)
    assert torch.equal(following[0], text("a chorus")[0][0]) and torch.equal(after_cut[0], text("bridge!")[0][0])
    assert "minimax_keyframes" not in following[1]
    (one,), (other,) = first[1]["minimax_keyframes"], after_cut[1]["minimax_keyframes"]
    assert one["resolved_frame_index"] == other["resolved_frame_index"] == 0
    assert not torch.equal(one["latent"], other["latent"]), "each shot has its own picture"
    decoder = MiniMaxH3().prepare(inputs, plan).decoder()
    frames = torch.cat(list(decoder.frames(latents)))
    assert frames.shape == (GRID.frame_count(plan.latent_count), SIZE, SIZE, 3)
    cut = GRID.first_frame(plan.segments[2].latent_start)
    torch.testing.assert_close(frames[cut:], models.vae.decode(latents[2])[0], rtol=0, atol=1e-5)


def test_key_frames_of_the_node_are_the_hosts_guides_to_the_bit(models):
    from comfy_extras.nodes_minimax_h3 import MiniMaxH3AddGuide

    audio, asked = sound(WHOLE, RATE), pictures(3, SIZE, SIZE)
    positive, latent = host_conditioning(models, asked[:1])
    frames = tuple(KeyFrame(asked[k : k + 1], time) for k, time in ((1, Fraction(1, 2)), (2, None)))
    inputs = inputs_of(models, audio, positive=positive, reference_image=asked[:1], options={"key_frames": frames})
    MiniMaxH3().check(inputs)
    plan, _, (ours,) = sampled(inputs)
    assert plan.notes == plan_of(MiniMaxH3(), replace(inputs, options={}), SETTINGS.seed, 0).notes
    for index, image in ((12, asked[1:2]), (FRAMES - 1, asked[2:])):
        (positive,) = MiniMaxH3AddGuide.execute(positive, latent, index, vae=models.vae, image=image).args
    assert torch.equal(ours, host_graph(models, audio, positive, latent))
    weaker = replace(inputs, options={"key_frames": (replace(frames[0], strength=0.5),)})
    assert "strength of key frames is not used" in plan_of(MiniMaxH3(), weaker, SETTINGS.seed, 0).describe()


def test_key_frames_count_from_the_window_that_makes_them():
    def frame(index: int, latents: int = 1) -> dict:
        return {"resolved_frame_index": index, "latent": torch.full([1, 24, latents, 2, 2], float(index))}

    def indices(found: list[dict]) -> list[int]:
        return [entry["resolved_frame_index"] for entry in found]

    first = Segment(0, 0, 36, 0, 0, True)  # frames 0 ... 123
    second = Segment(1, 30, 36, 6, 0, False)  # frames 102 ... 225, 18 of them known
    asked = [frame(0), frame(60), frame(110), frame(119, 2), frame(120), frame(123), frame(200, 7), frame(210, 7)]
    assert indices(key_frames(asked, first, None)) == [0, 60, 110, 119, 120, 123]
    assert indices(key_frames(asked, second, None)) == [18, 21, 98]
    reference = torch.zeros([1, 24, 1, 2, 2])
    with_reference = key_frames(asked, first, reference)
    assert indices(with_reference) == [0, 60, 110, 119, 120, 123] and with_reference[0]["latent"] is reference


def test_a_stopped_run_goes_on_to_the_same_bits(models, tmp_path):
    audio = sound(9 * RATE, RATE)

    def run():
        plan, host, latents = sampled(inputs_of(models, audio), 4, store=SegmentStore(tmp_path))
        return plan, host.resumed_runs, torch.cat(latents, dim=2)

    plan, resumed, clip = run()
    assert resumed == 0 and len(plan.segments) > 2
    max(tmp_path.glob("*.segment"), key=lambda file: file.stat().st_mtime_ns).unlink()
    _, resumed, again = run()
    assert resumed == len(plan.segments) - 1 and torch.equal(again, clip)


@pytest.mark.parametrize("count", [2, 5, 7, 9, 10, 11, 12, 37])
def test_turns_decode_to_the_frames_of_one_decode(models, count):
    from sound_to_video.core.decoding.stream import decode_stream

    latents = torch.randn([1, 24, count, 4, 4], generator=torch.Generator().manual_seed(count))
    pieces = latents.split([1, count - 1], dim=2)
    whole = models.vae.decode(latents)[0].float()
    groups = list(decode_stream(models.vae, pieces, count))
    assert torch.equal(torch.cat(groups), whole) and len(whole) == GRID.frame_count(count)
    assert max(len(group) for group in groups) <= 22
    assert whole.std() > 0.05 and whole.gt(0).float().mean() > 0.5


def test_audio_scale_is_said_to_do_nothing(models):
    inputs = inputs_of(models, sound(WHOLE, RATE), audio_scale=2.0)
    assert "audio_scale is not used" in plan_of(MiniMaxH3(), inputs, 0, 0).describe()


def test_what_does_not_fit_is_said(models, ltx_models):
    good = inputs_of(models, sound(WHOLE, RATE))
    MiniMaxH3().check(good)
    positive, _ = host_conditioning(models, pictures(1, SIZE, SIZE))
    wrong = {
        "off the grid": {"width": 48},
        "text encoder of another model": {"positive": [[torch.zeros([1, 2, 77]), {}]]},
        "VAE does not fit": {"vae": ltx_models.vae},
        "holds a picture of 64 x 64 and the clip is 96 x 64": {"width": 96, "positive": positive},
        "takes no control_video": {"control_video": pictures(2)},
        "listens to an audio VAE of MiniMax H3": {
            "encoded_audio": listen(audio_from(sound(8000, RATE)), audio_vae=ltx_models.audio_vae)
        },
    }
    for words, changes in wrong.items():
        with pytest.raises(SoundToVideoError, match=words):
            MiniMaxH3().check(replace(good, **changes))


def test_a_host_that_cannot_freeze_the_sound_says_which_can(checkpoints, monkeypatch):
    """The real one where it is too old, and a newer one that is made so."""
    import comfy.sd

    class Older:
        def forward(self, x, timestep, context, transformer_options=None, minimax_payload=None):
            raise NotImplementedError

    model = comfy.sd.load_diffusion_model(str(checkpoints.path("minimax_h3")))
    monkeypatch.setattr(h3.comfy.ldm.minimax.model, "MiniMaxH3Model", Older)
    with pytest.raises(
        SoundToVideoError, match=r"is MiniMax H3, which ComfyUI drives by a given sound from 0.34 on; this is \d+\.\d+"
    ):
        recognise({"model": model})
    assert any(family.id == "minimax_h3" for family in FAMILIES)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures memory by Linux's /proc")
def test_a_clip_four_times_as_long_takes_no_more_memory(models):
    def peak(seconds: int) -> int:
        inputs = inputs_of(models, sound(seconds * RATE, RATE), reference_image=None, width=32, height=32)
        plan, latents = plan_of(MiniMaxH3(), inputs, 0, 5), LatentSpool(folder_paths.get_temp_directory())
        with Measured() as measured:
            clip_sampler = MiniMaxH3().prepare(inputs, plan)
            sample_segments(clip_sampler, HostSampler(replace(SETTINGS, steps=1)), latents)
            assert sum(len(group) for group in clip_sampler.decoder().frames(latents)) >= plan.frame_count
        assert measured.peak_bytes is not None
        return measured.peak_bytes

    peak(11)  # loads what is loaded once
    short, long = (min(peak(seconds) for _ in range(2)) for seconds in (11, 44))
    assert long - short < 60 << 20
