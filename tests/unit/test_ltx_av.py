"""LTX against the host's template graph, node by node, and where that graph loses sound.

The graph is that of video_ltx2_3_ia2v; for LTX-2.5 with the guider, sampler and noise levels of video_ltx2_5_i2v.
"""

import random
from dataclasses import replace
from fractions import Fraction

import comfy.sd
import comfy.utils
import folder_paths
import pytest
import torch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families.ltx.av import DEFAULT_STAGES, LTXAV, SCHEDULES
from sound_to_video.core.plan import plan_clip
from sound_to_video.core.render import plan_of, sample_segments
from sound_to_video.core.sampling.host_sampler import HostSampler
from sound_to_video.core.sampling.spool import LatentSpool
from sound_to_video.core.scene.key_frames import KeyFrame
from sound_to_video.tests.ltx import (
    SETTINGS,
    SIZE,
    Models,
    clip_sampler,
    conditioning,
    encoded,
    inputs_of,
    our_latents,
    pictures,
    sound,
)

# 44.1 kHz and a multiple of 4096 samples: what the host's audio encoding neither resamples twice nor cuts.
WHOLE = 4096 * 11  # 1.02 s: 25 frames at 24 fps, 8 x 3 + 1


pytestmark = pytest.mark.usefixtures("as_in_a_node")


def clean_latents(model, masks: dict[int, float]):
    """The MODEL with ``x + m (x0 - x)`` in some latents: the network's velocity counts for their own noise level."""

    def by_latent(args):
        shapes = args["cond"][0]["model_conds"]["latent_shapes"].cond
        (noised, _), (clean, sound) = (comfy.utils.unpack_latents(args[name], shapes) for name in ("input", "denoised"))
        clean = clean.clone()
        for index, mask in masks.items():
            clean[:, :, index] = noised[:, :, index] + mask * (clean[:, :, index] - noised[:, :, index])
        return comfy.utils.pack_latents([clean, sound])[0]

    patched = model.clone()
    patched.set_model_sampler_post_cfg_function(by_latent)
    return patched


def template(
    each_ltx: Models,
    audio: dict,
    frames: int,
    image: torch.Tensor | None,
    two_stages: bool,
    sigmas,
    cfg=1.0,
    strength=0.7,
    refining_model=None,
    guides=(),
):
    """The template's nodes in its order; ``image`` None is its bypass of the image nodes. Returns the video latents.

    In one stage the template has no second pass that takes the noise out of partly noised latents: there the model
    gets the official pipeline's clean prediction for them (Lightricks/LTX-2 X0Model).
    The sound reads the positive prompt also where the picture reads the negative one (a2vid_two_stage.py there).
    guides: picture, frame and strength of each key frame, as core's template video_ltx2_3_flf2v adds and crops them.
    """
    import nodes
    from comfy_extras.nodes_custom_sampler import CFGGuider, KSamplerSelect, RandomNoise, SamplerCustomAdvanced
    from comfy_extras.nodes_dataset import ResizeImagesByLongerEdgeNode
    from comfy_extras.nodes_lt import (
        EmptyLTXVLatentVideo,
        LTXVAddGuide,
        LTXVConcatAVLatent,
        LTXVConditioning,
        LTXVCropGuides,
        LTXVImgToVideoInplace,
        LTXVPreprocess,
        LTXVSeparateAVLatent,
    )
    from comfy_extras.nodes_lt_audio import LTXVAudioVAEEncode
    from comfy_extras.nodes_lt_upsampler import LTXVLatentUpsampler
    from comfy_extras.nodes_mask import SolidMask
    from comfy_extras.nodes_post_processing import scale_dimensions

    def guided(model, positive, negative, cfg):
        if each_ltx.schedule != "ltx-2.5 distilled":
            return CFGGuider.execute(model, positive, negative, cfg)[0]
        from comfy_extras.nodes_lt import LTXVDualCFGGuider

        return LTXVDualCFGGuider.execute(model, positive, negative, cfg, cfg)[0]

    positive, negative = LTXVConditioning.execute(*conditioning(), 24).args
    half = negative[0][0].shape[-1] // 2
    negative[0][0] = torch.cat([negative[0][0][..., :half], positive[0][0][..., half:]], dim=-1)

    def prepared(image):
        image = scale_dimensions(image, SIZE, SIZE, "lanczos", "center")
        image = ResizeImagesByLongerEdgeNode._process(image, 1536)
        return LTXVPreprocess.execute(image, 18)[0]

    if image is not None:
        image = prepared(image)

    def sampled(picture: dict, audio_latent: dict, sigmas, positive, negative, cfg, model) -> tuple[dict, dict]:
        partly = {0: 1 - strength} if image is not None and strength < 1 else {}
        for index, (guide, frame, guide_strength) in enumerate(guides):
            if guide_strength < 1:
                partly[picture["samples"].shape[2]] = 1 - guide_strength
            added = LTXVAddGuide.execute(
                positive, negative, each_ltx.vae, picture, prepared(guide), frame, guide_strength
            )
            positive, negative, picture = added.args
            assert picture["samples"].shape[2] == 5 + index
        joint = LTXVConcatAVLatent.execute(picture, audio_latent)[0]
        model = clean_latents(model, partly) if partly and not two_stages else model
        guider = guided(model, positive, negative, cfg)
        noise = RandomNoise.execute(SETTINGS.seed)[0]
        sampler = KSamplerSelect.execute(each_ltx.sampler_name)[0]
        result = SamplerCustomAdvanced.execute(noise, guider, sampler, torch.tensor(sigmas), joint)[0]
        picture, audio_latent = LTXVSeparateAVLatent.execute(result).args
        return LTXVCropGuides.execute(positive, negative, picture)[2], audio_latent

    def with_image(picture: dict, strength: float) -> dict:
        return picture if image is None else LTXVImgToVideoInplace.execute(each_ltx.vae, image, picture, strength)[0]

    audio_latent = LTXVAudioVAEEncode.execute(audio, each_ltx.audio_vae)[0]
    (audio_latent,) = nodes.SetLatentNoiseMask().set_mask(audio_latent, SolidMask.execute(0, 1024, 1024)[0])
    first = SIZE // 2 if two_stages else SIZE
    picture = with_image(EmptyLTXVLatentVideo.execute(first, first, frames)[0], strength)
    picture, audio_latent = sampled(picture, audio_latent, sigmas[0], positive, negative, cfg, each_ltx.model)
    if two_stages:
        picture = LTXVLatentUpsampler.execute(picture, each_ltx.upscaler, each_ltx.vae)[0]
        model = refining_model or each_ltx.model
        picture, _ = sampled(with_image(picture, 1.0), audio_latent, sigmas[1], positive, negative, 1.0, model)
    return picture["samples"]


@pytest.mark.slow
@pytest.mark.parametrize("two_stages", [False, True], ids=["one stage", "two stages"])
@pytest.mark.parametrize("image", [None, pictures()], ids=["audio alone", "image"])
def test_one_window_is_the_hosts_graph_to_the_bit(each_ltx, image, two_stages):
    name = each_ltx.schedule
    first, refining = SCHEDULES[name]
    sigmas = (first[:2] + first[-2:], refining)  # four of the eight steps say as much and take half the time
    inputs = inputs_of(
        each_ltx,
        sound(WHOLE),
        reference_image=image,
        options={"latent_upscale_model": each_ltx.upscaler if two_stages else None},
    )
    settings = replace(SETTINGS, sigmas=torch.tensor(sigmas[0]), scheduler=name, sampler_name=each_ltx.sampler_name)
    (ours,), plan = our_latents(inputs, settings)
    assert plan.frame_count == 25
    theirs = template(each_ltx, sound(WHOLE), 25, image, two_stages, sigmas)
    assert theirs.std() > 0.1
    assert torch.equal(ours, theirs)


@pytest.mark.slow
def test_one_stage_with_the_picture_whole_is_the_hosts_graph_to_the_bit(each_ltx):
    sigmas = (0.9, 0.5, 0.0)
    inputs = inputs_of(each_ltx, sound(WHOLE), options={"image_strength": 1.0})
    (ours,), _ = our_latents(inputs, replace(SETTINGS, sigmas=torch.tensor(sigmas), sampler_name=each_ltx.sampler_name))
    assert torch.equal(ours, template(each_ltx, sound(WHOLE), 25, pictures(), False, (sigmas,), strength=1.0))


@pytest.mark.slow
def test_cfg_is_the_hosts_with_the_sound_of_the_positive_prompt(each_ltx):
    sigmas = (0.9, 0.5, 0.0)
    settings = replace(SETTINGS, cfg=3.0, sigmas=torch.tensor(sigmas), sampler_name=each_ltx.sampler_name)
    (ours,), _ = our_latents(inputs_of(each_ltx, sound(WHOLE)), settings)
    assert torch.equal(ours, template(each_ltx, sound(WHOLE), 25, pictures(), False, (sigmas,), cfg=3.0))


@pytest.mark.slow
@pytest.mark.parametrize("two_stages", [False, True], ids=["one stage", "two stages"])
@pytest.mark.parametrize(
    ("image", "guides"),
    [
        (pictures(), [(24, 1.0)]),
        (None, [(0, 1.0), (13, 0.6), (24, 1.0)]),
    ],
    ids=["first and last", "three without a reference"],
)
def test_key_frames_are_the_hosts_guides_to_the_bit(each_ltx, image, guides, two_stages):
    """First frame, last frame, and one between two latents, less firm."""
    first, refining = SCHEDULES[each_ltx.schedule]
    sigmas = (first[:2] + first[-2:], refining)
    batch = pictures(1 + len(guides))[1:]
    times = [frame / Fraction(24) if frame < 24 else None for frame, _ in guides]
    frames = [KeyFrame(batch[k : k + 1], time, guides[k][1]) for k, time in enumerate(times)]
    options = {"latent_upscale_model": each_ltx.upscaler if two_stages else None, "key_frames": tuple(frames)}
    inputs = inputs_of(each_ltx, sound(WHOLE), reference_image=image, options=options)
    settings = replace(
        SETTINGS, sigmas=torch.tensor(sigmas[0]), scheduler=each_ltx.schedule, sampler_name=each_ltx.sampler_name
    )
    (ours,), plan = our_latents(inputs, settings)
    assert plan.notes == () and ours.shape[2] == 4
    given = [(frame.picture, *guides[k]) for k, frame in enumerate(frames)]
    theirs = template(each_ltx, sound(WHOLE), 25, image, two_stages, sigmas, guides=given)
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, template(each_ltx, sound(WHOLE), 25, image, two_stages, sigmas, guides=given[1:]))


def with_lora(model):
    """The MODEL with a patch on some of its weights, as core's LoRA loaders put them."""
    patched = model.clone()
    weights = {name: tensor for name, tensor in model.model_state_dict().items() if name.endswith("attn1.to_q.weight")}
    assert patched.add_patches({name: ("diff", (torch.ones_like(tensor) / 20,)) for name, tensor in weights.items()})
    return patched


@pytest.mark.slow
def test_a_refining_model_is_the_hosts_graph_with_two_models(each_ltx):
    """Guidance in the first stage, the LoRA in the second only."""
    sigmas = ((0.9, 0.5, 0.0), DEFAULT_STAGES.refining)
    settings = replace(SETTINGS, cfg=3.0, sigmas=torch.tensor(sigmas[0]), sampler_name=each_ltx.sampler_name)
    options = {"latent_upscale_model": each_ltx.upscaler, "refining_model": with_lora(each_ltx.model)}
    inputs = inputs_of(each_ltx, sound(WHOLE), options=options)
    (ours,), plan = our_latents(inputs, settings)
    theirs = template(
        each_ltx, sound(WHOLE), 25, pictures(), True, sigmas, cfg=3.0, refining_model=options["refining_model"]
    )
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, template(each_ltx, sound(WHOLE), 25, pictures(), True, sigmas, cfg=3.0))
    assert plan.notes == ()


@pytest.mark.slow
@pytest.mark.parametrize("option", ["refining_model", None])
def test_guidance_is_the_first_stages(each_ltx, option):
    """With or without a model of its own, the second stage runs without guidance."""
    seen = []

    class Watching(HostSampler):
        def sample(self, model, *args, **how):
            seen.append((model, how.get("cfg"), how.get("model_input")))
            return super().sample(model, *args, **how)

    options = {"latent_upscale_model": each_ltx.upscaler, "audio_guidance": 3.0}
    inputs = inputs_of(
        each_ltx, sound(WHOLE), options=options | ({option: with_lora(each_ltx.model)} if option else {})
    )
    plan = plan_of(LTXAV(), inputs, 0, 0)
    sample_segments(clip_sampler(inputs, plan), Watching(SETTINGS), LatentSpool(folder_paths.get_temp_directory()))
    (first, _, _), (second, cfg, model_input) = seen
    assert first.model_options.get("sampler_post_cfg_function") and cfg == 1.0
    assert not second.model_options.get("sampler_post_cfg_function")
    assert second is (inputs.option("refining_model") or inputs.model) and model_input == (option or "model")


@pytest.mark.parametrize(
    ("model", "words"),
    [(object(), "refining_model is an object, not LTX-2"), ("wan", "refining_model is a WAN22_S2V, not LTX-2")],
)
def test_a_refining_model_that_is_none(each_ltx, checkpoints, model, words):
    if model == "wan":
        model = comfy.sd.load_diffusion_model(str(checkpoints.path("wan_s2v")))
    options = {"refining_model": model, "latent_upscale_model": each_ltx.upscaler}
    with pytest.raises(SoundToVideoError, match=words):
        LTXAV().check(inputs_of(each_ltx, sound(16000), options=options))


def test_a_refining_model_without_a_second_stage_is_said_to_do_nothing(each_ltx):
    inputs = inputs_of(each_ltx, sound(16000), options={"refining_model": each_ltx.model})
    LTXAV().check(inputs)
    assert "refining_model is not used" in plan_of(LTXAV(), inputs, 0, 0).describe()


@pytest.mark.slow
def test_refining_sigmas_belong_to_the_scheduler_unless_given(each_ltx):
    plan = plan_clip(1, 24, LTXAV.grid, LTXAV.segment_length)
    host = HostSampler(replace(SETTINGS, scheduler="ltx-2 distilled"))
    inputs = inputs_of(each_ltx, sound(WHOLE), options={"latent_upscale_model": each_ltx.upscaler})
    assert LTXAV().prepare(inputs, plan)._refining_sigmas(host).tolist() == pytest.approx(
        [0.909375, 0.725, 0.421875, 0]
    )
    given = torch.tensor([0.3, 0.0])
    inputs = replace(inputs, options={**inputs.options, "refining_sigmas": given})
    assert LTXAV().prepare(inputs, plan)._refining_sigmas(host) is given


def test_the_template_loses_sound_where_the_clip_is_off_the_grid(each_ltx):
    """4.2 s at 24 fps: the template asks for 101 frames and gets 97, 0.16 s short; ours hears and shows all of it."""
    from comfy_extras.nodes_lt import EmptyLTXVLatentVideo

    seconds = Fraction(42, 10)
    asked = int(seconds * 24 + 1)
    theirs = EmptyLTXVLatentVideo.execute(SIZE, SIZE, asked)[0]["samples"]
    assert LTXAV.grid.frame_count(theirs.shape[2]) == 97
    plan = plan_clip(seconds, 24, LTXAV.grid, LTXAV.segment_length)
    assert plan.frame_count == 101 and LTXAV.grid.frame_count(plan.latent_count) >= 101
    inputs = inputs_of(each_ltx, sound(int(seconds * 44100)), reference_image=None)
    heard = LTXAV().prepare(inputs, plan).sound(plan.segments[0])
    assert heard.shape[2] / 25 >= seconds


@pytest.mark.parametrize("frame_rate", [24, 25, 16, Fraction(24000, 1001), 30, 12])
def test_thirty_random_lengths_last_as_long_as_their_sound(each_ltx, frame_rate):
    """Frames to within half a frame; sound under every frame; nothing sampled that no frame needs."""
    family, draw = LTXAV(), random.Random(7)
    audio = encoded(each_ltx, sound(4096))
    for _ in range(30):
        seconds = Fraction(draw.randint(300, 60000), 1000)
        segment_length = family.segment_length_for(Fraction(frame_rate), draw.choice([0, 0, 3, 10]))
        plan = plan_clip(seconds, frame_rate, family.grid, segment_length)
        assert abs(plan.frame_count / Fraction(frame_rate) - seconds) <= Fraction(1, 2) / frame_rate
        assert (
            family.grid.frame_count(plan.latent_count - 1)
            < plan.frame_count
            <= family.grid.frame_count(plan.latent_count)
        )
        clip_sampler = family.prepare(
            inputs_of(each_ltx, audio, reference_image=None, frame_rate=Fraction(frame_rate)), plan
        )
        for segment in plan.segments:
            end = (8 * (segment.latent_stop - segment.latent_start - 1) + 1) / Fraction(frame_rate)
            assert abs(clip_sampler.sound(segment).shape[2] / Fraction(25) - end) <= Fraction(1, 25)


def test_an_impulse_is_heard_where_it_is_seen(each_ltx):
    """The audio latents that an impulse changes stand, in the segment that shows its frame, at that frame's time."""
    rate, at_seconds, seconds = 16000, 6.5, 8
    quiet, loud = torch.zeros([1, 2, rate * seconds]), torch.zeros([1, 2, rate * seconds])
    loud[..., int(at_seconds * rate)] = 1.0
    family = LTXAV()
    plan = plan_clip(seconds, 24, family.grid, family.segment_length_for(Fraction(24), 3))
    clip_samplers = [
        family.prepare(inputs_of(each_ltx, {"waveform": waveform, "sample_rate": rate}, reference_image=None), plan)
        for waveform in (quiet, loud)
    ]
    shown = [s for s in plan.segments if s.latent_start * 8 < at_seconds * 24 <= 8 * (s.latent_stop - 1)]
    assert len(shown) >= 1
    for segment in shown:
        before, after = (clip_sampler.sound(segment) for clip_sampler in clip_samplers)
        changed = (before - after).abs().amax(dim=(0, 1, 3)).nonzero().flatten()
        in_segment = at_seconds - 8 * segment.latent_start / 24
        assert abs(changed[0].item() / 25 - in_segment) < 0.08  # the spectrogram reaches 32 ms ahead, a latent is 40 ms


@pytest.mark.slow
def test_audio_scale_turns_the_sound_up_and_off(each_ltx):
    quiet = {"waveform": torch.zeros([1, 2, WHOLE]), "sample_rate": 44100}
    several_inputs = [
        inputs_of(each_ltx, audio, reference_image=None, audio_scale=scale)
        for audio, scale in ((sound(WHOLE), 0.0), (quiet, 0.0), (sound(WHOLE), 1.0), (sound(WHOLE), 2.0))
    ]
    (off,), (off_quiet,), (on,), (up,) = (our_latents(inputs)[0] for inputs in several_inputs)
    assert torch.equal(off, off_quiet)
    assert (up - off).abs().mean() > (on - off).abs().mean() > 0
    (again,), _ = our_latents(several_inputs[2])
    assert torch.equal(again, on)  # nothing of the patch stays on the model
