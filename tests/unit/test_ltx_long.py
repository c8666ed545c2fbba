"""LTX beyond one window: segments that overlap, hear the right stretch of the sound, and join without a seam."""

from dataclasses import replace
from fractions import Fraction

import comfy.utils
import folder_paths
import pytest
import torch
from sound_to_video.core.audio import audio_from
from sound_to_video.core.families.ltx.audio_latents import MIRRORED_LATENTS, AudioLatents
from sound_to_video.core.families.ltx.av import LTXAV, OVERLAP_LATENTS, LTXAVClipSampler
from sound_to_video.core.render import plan_of, sample_segments
from sound_to_video.core.sampling.drift import DriftCorrection
from sound_to_video.core.sampling.host_sampler import HostSampler
from sound_to_video.core.sampling.spool import LatentSpool
from sound_to_video.core.sampling.store import SegmentStore
from sound_to_video.core.scene.prompts import placed
from sound_to_video.tests.ltx import SETTINGS, SIZE, conditioning, inputs_of, our_latents, sound

SECONDS = 6
SEGMENT_SECONDS = 2  # 7 latents, 4 of them overlap


pytestmark = pytest.mark.usefixtures("as_in_a_node")


class Watched(HostSampler):
    """The host's sampler, and what went in and came out of every run."""

    def __init__(self, settings):
        super().__init__(settings)
        self.runs: list[tuple] = []

    def sample(self, model, positive, negative, latent, seed, **how):
        result = super().sample(model, positive, negative, latent, seed, **how)
        self.runs.append((latent.unbind(), how["noise_mask"].unbind(), result.unbind(), seed))
        return result


def watched(inputs, segment_seconds=SEGMENT_SECONDS, settings=SETTINGS):
    family = LTXAV()
    plan = plan_of(family, inputs, settings.seed, segment_seconds)
    host, latents = Watched(settings), LatentSpool(folder_paths.get_temp_directory())
    sample_segments(family.prepare(inputs, plan), host, latents)
    return plan, host.runs, torch.cat(list(latents), dim=2)


def test_window_and_overlap():
    family = LTXAV()
    assert family.segment_length_for(Fraction(24), 0) == family.segment_length
    assert family.grid.frame_count(family.segment_length.latent_count) == 481  # 20 s and a frame
    assert family.segment_length_for(Fraction(25), 0).latent_count == 64
    for rate in (12, 16, 24, 25, 30, 48, 50, 60):
        step = family.segment_length_for(Fraction(rate), 5).latent_count - OVERLAP_LATENTS
        assert (Fraction(8 * step, rate) * 25).denominator == 1, "segments begin between two audio latents"


@pytest.mark.slow
def test_segments_share_latents_to_the_bit(each_ltx):
    """The start of a segment is the end of the one before: set in, not noised, and handed on as it is."""
    plan, runs, clip = watched(inputs_of(each_ltx, sound(44100 * SECONDS)))
    assert len(plan.segments) > 3
    assert [seed for *_, seed in runs] == [SETTINGS.seed + index for index in range(len(runs))]
    for segment, ((picture, _), (mask, _), _, _) in zip(plan.segments[1:], runs[1:], strict=True):
        overlap = clip[:, :, segment.latent_start : segment.latent_start + OVERLAP_LATENTS]
        assert torch.equal(picture[:, :, :OVERLAP_LATENTS], overlap)
        assert mask[:, :, :OVERLAP_LATENTS].eq(0).all() and mask[:, :, OVERLAP_LATENTS:].eq(1).all()
    assert clip.shape[2] == plan.latent_count


@pytest.mark.slow
@pytest.mark.parametrize("with_upscaler", [False, True], ids=["one stage", "two stages"])
def test_the_sound_is_given_at_every_step(each_ltx, monkeypatch, with_upscaler):
    """To the bit, in what the network gets and in what comes out, also of a sampler that adds noise as it goes."""
    seen: list[torch.Tensor] = []
    network = each_ltx.model.get_model_object("diffusion_model")
    run = type(network).forward

    def heard(self, x, timestep, *args, **how):
        seen.append(x[1].clone())
        assert timestep[1].eq(0).all()
        return run(self, x, timestep, *args, **how)

    monkeypatch.setattr(type(network), "forward", heard)
    options = {"latent_upscale_model": each_ltx.upscaler if with_upscaler else None}
    inputs = inputs_of(each_ltx, sound(44100), options=options)
    settings = replace(SETTINGS, sampler_name="euler_ancestral", steps=3)
    _, runs, _ = watched(inputs, 0, settings)
    given = runs[0][0][1]
    assert len(seen) == 3 * len(runs)
    assert all(torch.equal(sound_at_step, given) for sound_at_step in seen)
    assert all(torch.equal(result[1], given) for _, _, result, _ in runs)


@pytest.mark.parametrize("anchored", [False, True], ids=["goes on", "anchored"])
def test_the_first_latent_of_every_segment_is_marked_as_one_frame(ltx_2_5_models, monkeypatch, anchored):
    """As LTX-2.5 was trained, and as diffusers marks the first latent of each part of a long clip; no other one is."""
    network = type(ltx_2_5_models.model.get_model_object("diffusion_model"))
    mark, seen = network.apply_keyframes_abs_pos_embedding, []

    def marked(self, x, *args, **how):
        result = mark(self, x, *args, **how)
        seen.append((result != x).any(dim=-1)[0])
        return result

    monkeypatch.setattr(network, "apply_keyframes_abs_pos_embedding", marked)
    inputs = inputs_of(ltx_2_5_models, sound(44100 * 4), options={"anchor_first_frame": anchored})
    plan, _, _ = watched(inputs)
    tokens = (SIZE // 32) ** 2
    assert len(plan.segments) > 1 and len(seen) == SETTINGS.steps * len(plan.segments)
    assert all(tokens_marked[:tokens].all() and not tokens_marked[tokens:].any() for tokens_marked in seen)


@pytest.mark.slow
def test_another_sound_is_another_picture(each_ltx):
    loud, other = (our_latents(inputs_of(each_ltx, sound(44100, seed=seed)))[0][0] for seed in (2, 3))
    assert (loud - other).abs().mean() > 1e-3


@pytest.mark.slow
def test_segments_share_the_sound_of_the_overlap(each_ltx):
    """Audio latents of one moment are the same numbers in both segments, at the same distance to the picture."""
    plan, runs, _ = watched(inputs_of(each_ltx, sound(44100 * SECONDS)))
    for before, after, run_before, run_after in zip(plan.segments, plan.segments[1:], runs, runs[1:], strict=False):
        shift = Fraction(8 * (after.latent_start - before.latent_start), 24) * 25
        assert shift.denominator == 1
        earlier, later = run_before[0][1], run_after[0][1]
        shared = earlier.shape[2] - int(shift)
        assert shared >= 25  # a second
        assert torch.equal(earlier[:, :, int(shift) :], later[:, :, :shared])
        assert run_after[1][1].eq(0).all()  # the sound is given


@pytest.mark.slow
def test_two_stages_go_on_from_what_was_refined(each_ltx):
    inputs = inputs_of(each_ltx, sound(44100 * SECONDS), options={"latent_upscale_model": each_ltx.upscaler})
    plan, runs, clip = watched(inputs)
    assert len(runs) == 2 * len(plan.segments)
    clip_sampler = LTXAV().prepare(inputs, plan)
    for segment, first, second in zip(plan.segments[1:], runs[2::2], runs[3::2], strict=True):
        overlap = clip[:, :, segment.latent_start : segment.latent_start + OVERLAP_LATENTS]
        assert torch.equal(second[0][0][:, :, :OVERLAP_LATENTS], overlap)
        spool = LatentSpool(folder_paths.get_temp_directory())
        history = spool.from_here()
        spool.append(clip[:, :, : segment.latent_start + OVERLAP_LATENTS])
        half = clip_sampler._halved(history, segment)
        torch.testing.assert_close(first[0][0][:, :, :OVERLAP_LATENTS], half)
        assert half.shape[3] * 2 == overlap.shape[3]


@pytest.mark.slow
@pytest.mark.parametrize("with_image", [True, False], ids=["image", "sound alone"])
def test_an_anchored_segment_begins_with_the_first_frame_of_the_clip(each_ltx, with_image):
    image = {} if with_image else {"reference_image": None}
    options = {"anchor_first_frame": True}
    plan, runs, clip = watched(inputs_of(each_ltx, sound(44100 * SECONDS), options=options, **image))
    for segment, ((picture, _), (mask, _), _, _) in zip(plan.segments[1:], runs[1:], strict=True):
        overlap = clip[:, :, segment.latent_start : segment.latent_start + OVERLAP_LATENTS]
        assert torch.equal(picture[:, :, :1], clip[:, :, :1])
        assert torch.equal(picture[:, :, 1:OVERLAP_LATENTS], overlap[:, :, 1:])
        assert mask[:, :, :OVERLAP_LATENTS].eq(0).all() and mask[:, :, OVERLAP_LATENTS:].eq(1).all()


@pytest.mark.slow
def test_both_stages_are_anchored(each_ltx):
    options = {"anchor_first_frame": True, "latent_upscale_model": each_ltx.upscaler}
    plan, runs, clip = watched(inputs_of(each_ltx, sound(44100 * SECONDS), options=options))
    halves = [first[0][0][:, :, :1] for first in runs[2::2]]
    assert len(halves) == len(plan.segments) - 1 and all(torch.equal(half, halves[0]) for half in halves)
    assert halves[0].shape[3] * 2 == clip.shape[3]
    assert all(torch.equal(second[0][0][:, :, :1], clip[:, :, :1]) for second in runs[3::2])


def smooth_model(model, rate: Fraction):
    """The MODEL with a network in place of its own that draws what it hears at each latent's time, smoothly.

    What a trained model does, to the letter: the picture at a moment is a function of the sound at that moment.
    """

    def network(_, args):
        shapes = args["c"]["latent_shapes"]
        picture, heard = comfy.utils.unpack_latents(args["input"], shapes)
        cosine, sine = heard[0, :2].mean(dim=-1)  # [audio latents]
        times = torch.tensor([max(0.0, (8 * index - 3.5) / float(rate)) for index in range(picture.shape[2])])
        at = (times * 25).clamp(max=len(sine) - 1.001)
        below = at.floor().long()
        cosine, sine = (torch.lerp(wave[below], wave[below + 1], at - below) for wave in (cosine, sine))
        turns = torch.arange(picture.shape[1]) * 2 * torch.pi / picture.shape[1]
        drawn = turns.cos()[:, None] * cosine + turns.sin()[:, None] * sine  # [channels, latents]
        return comfy.utils.pack_latents([drawn[None, :, :, None, None].expand_as(picture).contiguous(), heard])[0]

    patched = model.clone()
    patched.set_model_unet_function_wrapper(network)
    return patched


def sweep(seconds: int) -> AudioLatents:
    """Encoded audio that turns at a constant speed, once in 3.7 s, so that every step changes the picture as much."""
    phase = torch.arange(25 * seconds + 1) / 25 * 2 * torch.pi / 3.7
    latents = torch.zeros([1, 8, len(phase), 16])
    latents[0, 0], latents[0, 1] = phase.cos()[:, None], phase.sin()[:, None]
    audio = audio_from(sound(16000 * seconds, rate=16000))
    return AudioLatents(audio, latents, latents[:, :, -MIRRORED_LATENTS:], Fraction(25))


def seam(changes: torch.Tensor, joins: list[int]) -> tuple[float, float]:
    """The largest change at a join, and the 95th percentile of the changes within segments."""
    within = torch.ones_like(changes, dtype=torch.bool)
    within[joins] = False
    return changes[joins].max().item(), changes[within].quantile(0.95).item()


def smooth_clip(each_ltx, rate: int, **changes):
    inputs = inputs_of(
        each_ltx,
        sweep(12),
        model=smooth_model(each_ltx.model, Fraction(rate)),
        reference_image=None,
        frame_rate=Fraction(rate),
        **changes,
    )
    latents, plan = our_latents(inputs, segment_seconds=4)
    assert len(plan.segments) >= 4
    return inputs, latents, plan


@pytest.mark.parametrize("rate", [24, 25, 30])
def test_no_seam_on_a_smooth_model(each_ltx, rate):
    """The picture changes no more where segments join than it does within them: in latents, and in frames."""
    inputs, latents, plan = smooth_clip(each_ltx, rate)
    family = LTXAV()
    clip = torch.cat(latents, dim=2)[0].transpose(0, 1)
    joins = [segment.latent_start + segment.overlap - 1 for segment in plan.segments[1:]]
    at_joins, within = seam((clip[1:] - clip[:-1]).abs().mean(dim=(1, 2, 3)), joins)
    assert at_joins <= 1.01 * within  # all changes are equal but for what lies between two audio latents

    frames = torch.cat(list(family.prepare(inputs, plan).decoder().frames(latents)))
    joins = [family.grid.first_frame(segment.latent_start + segment.overlap) - 1 for segment in plan.segments[1:]]
    at_joins, within = seam((frames[1:] - frames[:-1]).abs().mean(dim=(1, 2, 3)), joins)
    assert at_joins <= within


def test_segments_that_hear_the_sound_early_have_a_seam(each_ltx, monkeypatch):
    """The measure above sees it where segments hear another stretch of the sound, here half a second too early."""
    right = LTXAVClipSampler.sound

    def early(self, segment):
        sound = right(self, segment)
        return sound if segment.starts_afresh else sound.roll(-12, dims=2)

    monkeypatch.setattr(LTXAVClipSampler, "sound", early)
    _, latents, plan = smooth_clip(each_ltx, 24)
    clip = torch.cat(latents, dim=2)[0].transpose(0, 1)
    joins = [segment.latent_start + segment.overlap - 1 for segment in plan.segments[1:]]
    at_joins, within = seam((clip[1:] - clip[:-1]).abs().mean(dim=(1, 2, 3)), joins)
    assert at_joins > 1.5 * within


@pytest.mark.slow
def test_a_cut_begins_afresh_from_the_image(each_ltx):
    positive, negative = conditioning()
    cut = placed(positive, 0, False) + placed(positive, 3, True)
    inputs = inputs_of(each_ltx, sound(44100 * SECONDS), positive=cut, negative=negative)
    plan, runs, clip = watched(inputs, 0)
    assert [segment.starts_afresh for segment in plan.segments] == [True, True]
    reference = LTXAV().prepare(inputs, plan).references[0][0]
    for (picture, _), (mask, _), _, _ in runs:
        assert torch.equal(picture[:, :, :1], reference)
        assert mask[0, 0, 0].item() == pytest.approx(0.3)
    frames = torch.cat(list(LTXAV().prepare(inputs, plan).decoder().frames([clip[:, :, :10], clip[:, :, 10:]])))
    assert plan.segments[1].latent_start == 10  # its first frame is 73: 3.04 s
    assert frames.shape[0] >= plan.frame_count == 144


@pytest.mark.slow
@pytest.mark.parametrize("passes", [1, 2])
def test_every_prompt_is_sampled_from_its_time_on_and_joined(each_ltx, passes):
    """Also two within a third of a second: what a segment goes on from is then shorter than an overlap."""
    (positive,), negative = conditioning()
    times = [0, 0.2, 0.5, 3]
    prompts = [entry for n, time in enumerate(times) for entry in placed([[positive[0] + n, {}]], time, False)]

    class Listening(Watched):
        heard: list[list] = []

        def sample(self, model, positive, negative, latent, seed, **how):
            self.heard.append(positive)
            return super().sample(model, positive, negative, latent, seed, **how)

    options = {"latent_upscale_model": each_ltx.upscaler} if passes == 2 else {}
    inputs = inputs_of(
        each_ltx, sound(44100 * SECONDS), positive=prompts, negative=negative, options=options, width=2 * SIZE
    )
    plan = plan_of(LTXAV(), inputs, SETTINGS.seed, 0)
    host, latents = Listening(SETTINGS), LatentSpool(folder_paths.get_temp_directory())
    clip_sampler = LTXAV().prepare(inputs, plan)
    sample_segments(clip_sampler, host, latents)
    clip = torch.cat(list(latents), dim=2)
    assert [(segment.latent_start, segment.overlap) for segment in plan.segments] == [(0, 0), (0, 1), (0, 2), (6, 4)]
    for number, (entries, segment) in enumerate(zip(host.heard[::passes], plan.segments, strict=True)):
        (entry,) = entries
        assert torch.equal(entry[0], positive[0] + number)
        assert not [key for key in entry[1] if key.startswith("sound_to_video")]
        known = host.runs[passes * number + passes - 1][0][0][:, :, : segment.overlap]
        assert torch.equal(known, clip[:, :, segment.latent_start : segment.latent_start + segment.overlap])
    assert sum(len(frames) for frames in clip_sampler.decoder().frames(latents)) >= plan.frame_count


@pytest.mark.parametrize("rate", [24, 25, 30])
def test_no_seam_where_a_prompt_begins(each_ltx, rate):
    """Also where that is between two latents of the sound: the half of one that it may be off is not seen."""
    (positive,), _ = conditioning()
    times = [0, 3.1, 5.3, 9.7]
    prompts = [entry for time in times for entry in placed([positive], time, False)]
    _, latents, plan = smooth_clip(each_ltx, rate, positive=prompts)
    assert {segment.prompt_seconds for segment in plan.segments} == {Fraction(str(time)) for time in times}
    clip = torch.cat(latents, dim=2)[0].transpose(0, 1)
    joins = [segment.latent_start + segment.overlap - 1 for segment in plan.segments[1:]]
    at_joins, within = seam((clip[1:] - clip[:-1]).abs().mean(dim=(1, 2, 3)), joins)
    assert at_joins <= 1.1 * within


@pytest.mark.slow
def test_another_text_at_a_time_leaves_the_segments_before_it_as_they_are(each_ltx, tmp_path):
    (positive,), negative = conditioning()

    def run(chorus):
        prompts = placed([positive], 0, False) + placed([[positive[0] + chorus, {}]], 3, False)
        inputs = inputs_of(each_ltx, sound(44100 * SECONDS), positive=prompts, negative=negative)
        plan = plan_of(LTXAV(), inputs, SETTINGS.seed, 1)
        host, latents = HostSampler(SETTINGS, SegmentStore(tmp_path)), LatentSpool(folder_paths.get_temp_directory())
        sample_segments(LTXAV().prepare(inputs, plan), host, latents)
        return plan, host.resumed_runs

    plan, _ = run(1)
    verse = [segment for segment in plan.segments if segment.prompt_seconds < 3]
    assert 1 < len(verse) < len(plan.segments)
    assert run(2) == (plan, len(verse))


@pytest.mark.slow
def test_a_stopped_run_is_corrected_for_drift_to_the_same_bits(each_ltx, tmp_path):
    """The anchors, one a scene, are those of the undisturbed run when all segments are found again."""
    positive, negative = conditioning()
    cut = placed(positive, 0, False) + placed(positive, 2, True)

    def run():
        inputs = inputs_of(each_ltx, sound(44100 * 4), positive=cut, negative=negative)
        plan = plan_of(LTXAV(), inputs, SETTINGS.seed, 1)
        host, latents = HostSampler(SETTINGS, SegmentStore(tmp_path)), LatentSpool(folder_paths.get_temp_directory())
        sample_segments(LTXAV().prepare(inputs, plan), host, latents, drift=DriftCorrection(1.0))
        return plan, host.resumed_runs, list(latents)

    plan, resumed, latents = run()
    assert resumed == 0 and [segment.starts_afresh for segment in plan.segments].count(True) == 2
    anchor = None
    for segment, piece in zip(plan.segments, latents, strict=True):
        statistics = piece.mean((0, 2, 3, 4)), piece.std((0, 2, 3, 4))
        anchor = statistics if segment.starts_afresh else anchor
        torch.testing.assert_close(statistics, anchor, atol=1e-4, rtol=1e-4)
    _, resumed, again = run()
    assert resumed == len(plan.segments)
    assert all(torch.equal(one, other) for one, other in zip(latents, again, strict=True))


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_bits(each_ltx, tmp_path):
    """Both passes of every finished segment are found again; other guidance is another run."""

    def run(**options):
        options = {"latent_upscale_model": each_ltx.upscaler, **options}
        inputs = inputs_of(each_ltx, sound(44100 * 3), options=options)
        plan = plan_of(LTXAV(), inputs, SETTINGS.seed, SEGMENT_SECONDS)
        host, latents = HostSampler(SETTINGS, SegmentStore(tmp_path)), LatentSpool(folder_paths.get_temp_directory())
        sample_segments(LTXAV().prepare(inputs, plan), host, latents)
        return torch.cat(list(latents), dim=2), host.resumed_runs, 2 * len(plan.segments)

    clip, resumed, runs = run()
    assert (resumed, runs) == (0, 4)
    newest = max(tmp_path.glob("*.segment"), key=lambda file: file.stat().st_mtime_ns)
    newest.unlink()  # the run that was under way when the machine went down
    again, resumed, _ = run()
    assert resumed == runs - 1
    assert torch.equal(again, clip)
    other, resumed, _ = run(audio_guidance=3.0)
    assert resumed == 0 and not torch.equal(other, clip)
