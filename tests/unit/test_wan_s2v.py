"""Wan2.2-S2V against the host's own graph: the same numbers where its maths is kept, and where not, what was wrong."""

import gc
import weakref
from dataclasses import replace
from fractions import Fraction

import comfy.model_management
import comfy.sd
import folder_paths
import pytest
import torch
from sound_to_video.core.clip.video import SampledVideo
from sound_to_video.core.decoding import wan_vae as decoding_wan
from sound_to_video.core.decoding.stream import decode_stream
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import SamplerInputs, recognise
from sound_to_video.core.families.wan.features import WanS2VLayout
from sound_to_video.core.families.wan.s2v import WanS2V
from sound_to_video.core.features.encoded import HostEncodedAudio, encoded_audio_from
from sound_to_video.core.features.layout import frames_between
from sound_to_video.core.frames.source import TensorFrames
from sound_to_video.core.plan import plan_clip
from sound_to_video.core.render import plan_of, sample_segments
from sound_to_video.core.sampling.host_sampler import HostSampler, SamplerSettings
from sound_to_video.core.sampling.spool import LatentSpool
from sound_to_video.core.scene.prompts import placed
from sound_to_video.core.timeline import sample_time

SIZE = 64
SETTINGS = SamplerSettings(seed=5, steps=2, cfg=3.0, sampler_name="uni_pc", scheduler="simple")


pytestmark = pytest.mark.usefixtures("as_in_a_node")


@pytest.fixture(scope="module")
def models(checkpoints):
    import comfy.utils

    model = comfy.sd.load_diffusion_model(str(checkpoints.path("wan_s2v")))
    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(checkpoints.path("wan_vae"))))
    return model, vae


@pytest.fixture(scope="module")
def conditioning():
    generator = torch.Generator().manual_seed(1)
    positive, negative = (torch.randn([1, 2, 1024], generator=generator) for _ in range(2))
    return [[positive, {}]], [[negative, {}]]


def host_encoding(seconds: float) -> dict:
    """What core's Audio Encoder Encode gives for ``seconds`` of sound, with features drawn from a seed."""
    generator = torch.Generator().manual_seed(2)
    samples = round(seconds * 16000)
    count = max(1, (samples - 400) // 320 + 1)
    layers = tuple(torch.randn([1, count, 1024], generator=generator) for _ in range(25))
    return {"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": samples}


def pictures(count: int, width: int = 80, height: int = 64) -> torch.Tensor:
    return torch.rand([count, height, width, 3], generator=torch.Generator().manual_seed(3))


def inputs_of(models, conditioning, seconds: float, **changes) -> SamplerInputs:
    values = {
        "model": models[0],
        "vae": models[1],
        "positive": conditioning[0],
        "negative": conditioning[1],
        "encoded_audio": encoded_audio_from(host_encoding(seconds)),
        "width": SIZE,
        "height": SIZE,
        "frame_rate": Fraction(16),
        "reference_image": pictures(1),
        **changes,
    }
    return SamplerInputs(**values)


def our_latents(inputs: SamplerInputs, settings: SamplerSettings = SETTINGS) -> list[torch.Tensor]:
    family = recognise({"model": inputs.model})
    family.check(inputs)
    plan = plan_clip(
        inputs.encoded_audio.duration, inputs.frame_rate, family.grid, family.segment_length, settings.seed
    )
    latents = LatentSpool(folder_paths.get_temp_directory())
    sample_segments(family.prepare(inputs, plan), HostSampler(settings), latents)
    return list(latents)


def host_latents(models, conditioning, encoding: dict, lengths: list[int], control: torch.Tensor | None = None):
    """The template's wiring: WanSoundImageToVideo, one Extend for each further length, each with KSampler."""
    import nodes
    from comfy_extras.nodes_wan import WanSoundImageToVideo, WanSoundImageToVideoExtend

    model, vae = models
    clip = None
    pieces = []
    for index, length in enumerate(lengths):
        shared = {"audio_encoder_output": encoding, "ref_image": pictures(1), "control_video": control}
        if clip is None:
            made = WanSoundImageToVideo.execute(*conditioning, vae, SIZE, SIZE, length, 1, **shared)
        else:
            made = WanSoundImageToVideoExtend.execute(*conditioning, vae, length, {"samples": clip}, **shared)
        positive, negative, latent = made.args
        settings = SETTINGS
        (sampled,) = nodes.KSampler().sample(
            model,
            settings.seed + index,
            settings.steps,
            settings.cfg,
            settings.sampler_name,
            settings.scheduler,
            positive,
            negative,
            latent,
        )
        pieces.append(sampled["samples"])
        clip = torch.cat(pieces, dim=2)
    return pieces


@pytest.mark.parametrize("seconds", [0.3, 2.0, 77 / 16])
def test_one_segment_is_the_hosts_graph_to_the_bit(models, conditioning, seconds):
    inputs = inputs_of(models, conditioning, seconds)
    ours = our_latents(inputs)
    latents = ours[0].shape[2]
    theirs = host_latents(models, conditioning, host_encoding(seconds), [4 * latents - 3])
    assert len(ours) == 1
    assert torch.equal(ours[0], theirs[0])


@pytest.mark.slow
def test_extension_segments_are_the_hosts_graph_to_the_bit(models, conditioning):
    inputs = inputs_of(models, conditioning, 237 / 16)  # 60 latents: three whole windows
    ours = our_latents(inputs)
    theirs = host_latents(models, conditioning, host_encoding(237 / 16), [77, 77, 77])
    assert [piece.shape[2] for piece in ours] == [20, 20, 20]
    assert all(torch.equal(mine, host) for mine, host in zip(ours, theirs, strict=True))


def test_lora_and_model_patches_pass_through_to_the_bit(models, conditioning):
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    model, vae = models
    (shifted,) = ModelSamplingSD3().patch(model, shift=3.0)
    names = [name for name in model.model.state_dict() if name.endswith("self_attn.q.weight")]
    generator = torch.Generator().manual_seed(9)
    weights = {name: torch.randn(model.model.state_dict()[name].shape, generator=generator) for name in names}
    shifted.add_patches({name: (weight,) for name, weight in weights.items()}, 0.2)
    ours = our_latents(inputs_of((shifted, vae), conditioning, 1.0))
    theirs = host_latents((shifted, vae), conditioning, host_encoding(1.0), [17])
    assert torch.equal(ours[0], theirs[0])
    assert not torch.equal(ours[0], our_latents(inputs_of(models, conditioning, 1.0))[0])


@pytest.mark.slow
def test_a_shorter_last_segment_hears_all_of_its_audio(models, conditioning):
    """Difference 1: for a segment of another length the host lays the audio out anew, and here runs out of it."""
    from comfy_extras.nodes_wan import wan_sound_to_video

    seconds = 150 / 16  # 20 + 19 latents
    encoding = host_encoding(seconds)
    host, *_ = wan_sound_to_video(
        *conditioning, models[1], SIZE, SIZE, 73, 1, frame_offset=80, audio_encoder_output=encoding
    )
    host_audio = host[0][1]["audio_embed"][0].permute(0, 2, 1)
    assert host_audio.shape[1] == 72, "the host gives 72 frames of audio to 19 latents, which need 76"
    with pytest.raises(Exception, match="Shape mismatch"):
        host_latents(models, conditioning, encoding, [77, 73])
    ours = frames_between(encoded_audio_from(encoding).features(WanS2VLayout()), 80, 4 * 39)
    assert torch.equal(ours[:, :72], host_audio)
    assert [piece.shape[2] for piece in our_latents(inputs_of(models, conditioning, seconds))] == [20, 19]


@pytest.mark.slow
def test_control_video_moves_on_with_the_segments(models, conditioning):
    """Difference 2, ComfyUI #9911: the host gives every segment the first stretch of the control video."""
    from comfy_extras.nodes_wan import wan_sound_to_video

    seconds = 237 / 16
    control = pictures(237, SIZE, SIZE)
    inputs = inputs_of(models, conditioning, seconds, control_video=control)
    family = WanS2V()
    plan = plan_clip(inputs.encoded_audio.duration, 16, family.grid, family.segment_length)
    clip_sampler = family.prepare(inputs, plan)
    ours = [clip_sampler._control_latents(segment) for segment in plan.segments]
    _, vae = models
    host = [
        wan_sound_to_video(*conditioning, vae, SIZE, SIZE, 77, 1, frame_offset=80 * i, control_video=control)[0][0][1]
        for i in range(3)
    ]
    assert torch.equal(ours[0], host[0]["control_video"])
    assert torch.equal(host[0]["control_video"], host[2]["control_video"])
    assert not torch.equal(ours[2], ours[0])
    lead_and_stretch = control[156:237]  # segment 2 shows the frames 157 ... 236
    assert torch.equal(ours[2], vae.encode(lead_and_stretch)[:, :, 1:])


@pytest.mark.slow
def test_a_control_video_may_be_footage_that_is_read_a_window_at_a_time(models, conditioning):
    control = pictures(137, SIZE, SIZE)
    asked = []

    class Watched(TensorFrames):
        def frames(self, start, stop):
            asked.append((start, stop))
            return super().frames(start, stop)

    family = WanS2V()
    both_inputs = [
        inputs_of(models, conditioning, 200 / 16, control_video=given) for given in (control, Watched(control, 16))
    ]
    plan = plan_of(family, both_inputs[0], 0, 0)
    from_images, from_footage = (family.prepare(inputs, plan) for inputs in both_inputs)
    for segment in plan.segments:
        assert torch.equal(from_images._control_latents(segment), from_footage._control_latents(segment))
    assert asked == [(0, 77), (76, 157), (156, 201)]
    with pytest.raises(SoundToVideoError, match="the control video has 25 fps, the clip 16 fps"):
        family.check(replace(both_inputs[0], control_video=Watched(control, 25)))


@pytest.mark.slow
def test_a_control_video_that_ends_early_leaves_the_rest_free(models, conditioning):
    inputs = inputs_of(models, conditioning, 237 / 16, control_video=pictures(90, SIZE, SIZE))
    family = WanS2V()
    clip_sampler = family.prepare(
        inputs, plan_clip(inputs.encoded_audio.duration, 16, family.grid, family.segment_length)
    )
    import comfy.latent_formats

    free = comfy.latent_formats.Wan21().process_out(torch.zeros([1, 16, 1, SIZE // 8, SIZE // 8]))
    stretches = [clip_sampler._control_latents(segment) for segment in clip_sampler.plan.segments]
    is_free = [torch.equal(piece[:, :, n : n + 1], free) for piece in stretches for n in range(piece.shape[2])]
    assert is_free == [False] * 24 + [True] * 36  # the frames 0 ... 89 fall into the latents 0 ... 23


@pytest.mark.slow
def test_no_frame_is_sampled_that_the_audio_does_not_reach(models, conditioning):
    for seconds, latents in ((0.3, 2), (5.0, 21), (8.0, 33)):
        assert sum(piece.shape[2] for piece in our_latents(inputs_of(models, conditioning, seconds))) == latents


@pytest.mark.slow
def test_features_are_computed_once_for_the_clip_and_equal_the_hosts_for_every_segment():
    """Difference 3: the host interpolates and gathers the whole clip's features again for each segment."""
    from comfy_extras.nodes_wan import wan_sound_to_video

    encoding = host_encoding(20.0)
    ours = frames_between(HostEncodedAudio(encoding).features(WanS2VLayout()), 0, 320)
    for segment in range(4):
        conds, *_ = wan_sound_to_video(
            [[torch.zeros(1), {}]],
            [[torch.zeros(1), {}]],
            None,
            16,
            16,
            77,
            1,
            frame_offset=80 * segment,
            audio_encoder_output=encoding,
        )
        host = conds[0][1]["audio_embed"][0].permute(0, 2, 1)
        assert torch.equal(ours[:, 80 * segment : 80 * (segment + 1)], host)


@pytest.mark.slow
def test_audio_scale_acts_on_what_the_audio_adds(models, conditioning):
    at = {scale: our_latents(inputs_of(models, conditioning, 0.5, audio_scale=scale))[0] for scale in (0.0, 1.0, 2.0)}
    assert not torch.equal(at[1.0], at[2.0])
    silent = inputs_of(
        models,
        conditioning,
        0.5,
        audio_scale=0.0,
        encoded_audio=HostEncodedAudio(
            {**host_encoding(0.5), "encoded_audio_all_layers": tuple(torch.ones([1, 24, 1024]) for _ in range(25))}
        ),
    )
    assert torch.equal(our_latents(silent)[0], at[0.0]), "at scale 0 no sound reaches the picture"
    assert torch.equal(our_latents(inputs_of(models, conditioning, 0.5))[0], at[1.0]), "the MODEL itself is not changed"


def test_without_a_reference_image(models, conditioning):
    assert our_latents(inputs_of(models, conditioning, 0.5, reference_image=None))[0].isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("lengths", [[20, 7], [1], [2]])
def test_decoding_group_by_group_is_one_decode_to_the_bit(models, conditioning, lengths):
    inputs = inputs_of(models, conditioning, 1.0)
    family = WanS2V()
    count = sum(lengths)
    frames = family.grid.frame_count(count)
    clip_sampler = family.prepare(inputs, plan_clip(sample_time(frames, 16), 16, family.grid, family.segment_length))
    generator = torch.Generator().manual_seed(4)
    latents = [torch.randn([1, 16, n, SIZE // 8, SIZE // 8], generator=generator) for n in lengths]
    with torch.inference_mode():
        ours = torch.cat(list(clip_sampler.decoder().frames(latents)))
        whole = models[1].decode(torch.cat([clip_sampler.reference_latents[0], *latents], dim=2))[0]
    assert ours.shape == (frames, SIZE, SIZE, 3)
    assert torch.equal(ours, whole[4:])


@pytest.mark.slow
def test_decoding_in_tiles_where_memory_does_not_do_for_a_frame(models, conditioning, monkeypatch, caplog):
    vae = models[1]
    monkeypatch.setattr(decoding_wan, "TILE", 8)
    monkeypatch.setattr(decoding_wan, "OVERLAP", 4)
    latents = torch.randn([1, 16, 4, 10, 9], generator=torch.Generator().manual_seed(6))
    with torch.inference_mode():
        whole = torch.cat(list(decode_stream(vae, [latents], 4)))
        really = vae.first_stage_model.decoder.forward

        def small_memory(hidden, **how):
            if hidden.shape[2] > 1 and hidden.shape[3] * hidden.shape[4] > 8 * 8:
                raise torch.cuda.OutOfMemoryError("out of memory")
            return really(hidden, **how)

        monkeypatch.setattr(vae.first_stage_model.decoder, "forward", small_memory)
        tiled = torch.cat(list(decode_stream(vae, [latents], 4)))
    assert "decoding them in tiles" in caplog.text
    assert tiled.shape == whole.shape
    assert (tiled - whole).abs().mean() < 0.4 * whole.std(), "a tile out of place would be off by 1.1 of it"


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(decoding_wan, "TILE", 8)
    monkeypatch.setattr(decoding_wan, "OVERLAP", 4)
    monkeypatch.setattr(decoding_wan, "TILED_GROUPS", 2)


@pytest.mark.slow
def test_the_device_holds_the_cache_of_one_tile(models, monkeypatch, small_tiles):
    """While tiles are decoded: caches are counted where the convolutions put them, by where they were last sent."""
    vae, latents = models[1], torch.randn([1, 16, 9, 10, 9], generator=torch.Generator().manual_seed(6))
    tiles, on_device = [], set()
    make, move, decode = decoding_wan._Tile.__init__, decoding_wan._Tile._move_cache, decoding_wan._Tile.decode

    def made(tile, *args):
        make(tile, *args)
        tiles.append(tile)

    def moved(tile, device):
        move(tile, device)
        (on_device.add if device is vae.device else on_device.discard)(tile)

    def bytes_on_device():
        held = [value for tile in on_device for value in tile.cache if isinstance(value, torch.Tensor)]
        return sum(value.nbytes for value in held)

    def decoded(tile, group):
        frames = decode(tile, group)
        on_device.add(tile)  # the convolutions leave the cache there
        peaks.append(bytes_on_device())
        return frames

    peaks: list[int] = []
    monkeypatch.setattr(decoding_wan._Tile, "__init__", made)
    monkeypatch.setattr(decoding_wan._Tile, "_move_cache", moved)
    monkeypatch.setattr(decoding_wan._Tile, "decode", decoded)
    with torch.inference_mode():
        whole = sum(1 for _ in decoding_wan.decode_frames(vae, [latents], 9))
        of_whole, peaks[:], on_device = max(peaks), [], set()
        assert whole and sum(1 for _ in decoding_wan.decode_tiles(vae, [latents], 9))
    every = sum(value.nbytes for tile in tiles[1:] for value in tile.cache if isinstance(value, torch.Tensor))
    assert every > of_whole, "overlapping tiles together hold more than a whole frame"
    assert max(peaks) < of_whole


@pytest.mark.slow
def test_memory_that_runs_out_in_mid_clip(models, monkeypatch, small_tiles):
    """The frames before are kept, those after come from tiles, none is missing and none comes twice."""
    vae, latents = models[1], torch.randn([1, 16, 9, 10, 9], generator=torch.Generator().manual_seed(6))
    with torch.inference_mode():
        whole = torch.cat(list(decode_stream(vae, [latents], 9)))
        tiled = torch.cat(list(decoding_wan.decode_tiles(vae, [latents], 9)))
        really, calls = vae.first_stage_model.decoder.forward, []

        def taken_by_others(hidden, **how):
            calls.append(hidden.shape)
            if len(calls) > 3 and hidden.shape[3] * hidden.shape[4] > 8 * 8:
                raise torch.cuda.OutOfMemoryError("out of memory")
            return really(hidden, **how)

        monkeypatch.setattr(vae.first_stage_model.decoder, "forward", taken_by_others)
        frames = torch.cat(list(decode_stream(vae, [latents], 9)))
    assert torch.equal(frames, torch.cat([whole[:17], tiled[17:]]))


@pytest.mark.slow
def test_a_video_keeps_only_what_decoding_needs(models, conditioning, checkpoints):
    model = comfy.sd.load_diffusion_model(str(checkpoints.path("wan_s2v")))
    control = pictures(16)
    inputs = inputs_of((model, models[1]), conditioning, 0.5, control_video=control, audio_scale=2.0)
    clip_sampler = WanS2V().prepare(inputs, plan_of(WanS2V(), inputs, SETTINGS.seed, 0))
    latents = LatentSpool(folder_paths.get_temp_directory())
    sample_segments(clip_sampler, HostSampler(SETTINGS), latents)
    video = SampledVideo(clip_sampler.decoder(), latents, None)
    others = {
        "the model": weakref.ref(model.model),
        "the MODEL": weakref.ref(model),
        "the encoded audio": weakref.ref(inputs.encoded_audio),
        "the control video": weakref.ref(control),
    }
    del model, control, inputs, clip_sampler
    comfy.model_management.cleanup_models_gc()
    gc.collect()
    assert [name for name, reference in others.items() if reference() is not None] == []
    assert video.get_components().images.shape[0] == 8


def test_wan_loads_its_vae_once(models, monkeypatch):
    load, seen = comfy.model_management.load_models_gpu, []

    def counted(models, *args, **how):
        seen.append(models)
        return load(models, *args, **how)

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", counted)
    with torch.inference_mode():
        list(decode_stream(models[1], [torch.zeros([1, 16, 9, 4, 4])], 9))
    assert seen == [[models[1].patcher]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"width": 830},
            "width 830 is off the grid of Wan2.2-S2V: it must be a multiple of 16, for instance 816 or 832",
        ),
        ({"reference_image": torch.zeros([1, 64, 64, 4])}, "alpha channel"),
        ({"control_video": torch.zeros([9, 64, 64, 1])}, "control video has 1 channels"),
    ],
)
def test_what_it_cannot_work_with_is_said_before_any_work(models, conditioning, changes, words):
    with pytest.raises(SoundToVideoError, match=words):
        WanS2V().check(inputs_of(models, conditioning, 1.0, **changes))


def test_an_encoder_that_does_not_fit(models, conditioning):
    base = {"encoded_audio_all_layers": tuple(torch.zeros([1, 49, 768]) for _ in range(13)), "audio_samples": 16000}
    with pytest.raises(SoundToVideoError, match=r"wav2vec2 base .* load wav2vec2_large_english"):
        WanS2V().check(inputs_of(models, conditioning, 1.0, encoded_audio=HostEncodedAudio(base)))


@pytest.mark.slow
def test_a_cut_starts_afresh_and_keeps_the_length(models, conditioning):
    positive = placed(conditioning[0], 0, cut=False) + placed(conditioning[1], 2, cut=True)
    inputs = inputs_of(models, conditioning, 4.0, positive=positive)
    family = WanS2V()
    clip_sampler = family.prepare(inputs, plan_of(family, inputs, SETTINGS.seed, 0))
    assert [segment.starts_afresh for segment in clip_sampler.plan.segments] == [True, True]
    latents = LatentSpool(folder_paths.get_temp_directory())
    sample_segments(clip_sampler, HostSampler(SETTINGS), latents)
    frames = torch.cat(list(SampledVideo(clip_sampler.decoder(), latents, None).stream_frames()))
    assert frames.shape[0] == 64
    second = models[1].decode(torch.cat([clip_sampler.reference_latents[0], latents[1]], dim=2))[0]
    cut = family.grid.first_frame(clip_sampler.plan.segments[1].latent_start)
    assert abs(cut / 16 - 2) <= 2 / 16, "a cut falls on the nearest latent"
    assert torch.equal(frames[cut:], second[1 : 1 + 64 - cut])


def test_prompts_change_between_segments_that_go_on(models, conditioning):
    """Each prompt from its time on, a fifth of a second included, with what was seen before as motion latents."""
    (first, _), (second, _) = conditioning[0][0], conditioning[1][0]
    entries = placed([[first, {}]], 0, False) + placed([[second, {}]], 1, False) + placed([[first, {}]], 1.2, False)
    inputs = inputs_of(models, conditioning, 3.0, positive=entries)
    family = WanS2V()
    plan = plan_of(family, inputs, SETTINGS.seed, 0)
    seen = []

    class Listening(HostSampler):
        def sample(self, model, positive, negative, latent, seed, **how):
            seen.append(positive)
            return super().sample(model, positive, negative, latent, seed, **how)

    latents = LatentSpool(folder_paths.get_temp_directory())
    sample_segments(family.prepare(inputs, plan), Listening(SETTINGS), latents)
    assert [segment.latent_start for segment in plan.segments] == [0, 5, 6]
    assert [torch.equal(entry[0], text) for (entry,), text in zip(seen, (first, second, first), strict=True)] == [
        True
    ] * 3
    motion = [entry[1].get("reference_motion") for (entry,) in seen]
    assert motion[0] is None
    assert torch.equal(motion[1], latents[0])
    assert torch.equal(motion[2], torch.cat(latents[:2], dim=2))


def test_a_model_that_takes_no_audio(checkpoints):
    import comfy.sd

    with pytest.raises(SoundToVideoError, match=r"\(WAN21\) takes no audio .* Load one that does: Wan2.2-S2V"):
        recognise({"model": comfy.sd.load_diffusion_model(str(checkpoints.path("wan_t2v")))})


def test_another_frame_rate_is_refused():
    with pytest.raises(SoundToVideoError, match="makes 16 fps, not 24 fps: set frame_rate to 0"):
        WanS2V().rate(24)


def test_a_latent_hears_what_the_alignment_of_sound_and_picture_counts_on(models):
    """Latent k hears the features 4k-8 ... 4k and is shown as the frames 4k-3 ... 4k: the picture is in time.

    The host's encoder does not put the official 73 copies of the first feature in front, and the first three frames
    after the reference image's latent are dropped: the two cancel. Were the host to add the padding, clips would lead
    their sound by 3 frames (187.5 ms), and only this test would tell.
    """
    encoder = models[0].model.diffusion_model.casual_audio_encoder
    features = torch.randn([1, 25, 1024, 12], generator=torch.Generator().manual_seed(4))

    def tokens_that_hear(feature: int) -> list[int]:
        changed = features.clone()
        changed[..., feature] += 1
        before, after = (encoder(given)[1] for given in (features, changed))
        return (before - after).abs().amax(dim=(0, 2, 3)).nonzero().flatten().tolist()

    heard = {feature: tokens_that_hear(feature) for feature in range(12)}
    assert [feature for feature, tokens in heard.items() if 0 in tokens] == [0]
    assert [feature for feature, tokens in heard.items() if 1 in tokens] == [0, 1, 2, 3, 4]
    assert [feature for feature, tokens in heard.items() if 2 in tokens] == list(range(9))
