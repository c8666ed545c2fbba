"""InfiniteTalk with several speakers against the host's two, and against the official code's arithmetic."""

from dataclasses import replace
from fractions import Fraction

import comfy.ops
import comfy.sd
import comfy.utils
import pytest
import torch
from comfy.ldm.wan.model_multitalk import SingleStreamMultiAttention
from sound_to_video.core.audio.speakers import IN_TURNS, Speaker, speakers_sound
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import FAMILIES, SamplerInputs, listen
from sound_to_video.core.families.wan.infinitetalk import InfiniteTalk
from sound_to_video.core.families.wan.speakers import AttentionMaps, heard_by_all
from sound_to_video.core.families.wan.talk_clip_sampler import LAYOUT
from sound_to_video.core.features.encoded import EncodedAudio, EncodedTrack, HostEncodedAudio
from sound_to_video.core.frames.regions import Box, columns, painted
from sound_to_video.core.sampling.store import SegmentStore
from sound_to_video.tests.humo import SIZE
from sound_to_video.tests.infinitetalk import (
    ONE_STEP,
    host_encoding,
    host_latents,
    inputs_of,
    load_patch,
    sampled,
)
from sound_to_video.tests.unit.test_audio_encoding import sound

pytestmark = pytest.mark.usefixtures("as_in_a_node")

HALVES = [Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1)]
ONE_WINDOW = Fraction(49, 25)


@pytest.fixture(scope="module")
def vae(checkpoints):
    return comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(checkpoints.path("wan_vae"))))


@pytest.fixture(scope="module")
def model(checkpoints):
    return comfy.sd.load_diffusion_model(str(checkpoints.path("wan_i2v")))


@pytest.fixture(scope="module")
def patch(checkpoints):
    return load_patch(checkpoints.path("infinitetalk"))


class Spoken(EncodedAudio):
    """Features ``[12, frames, 768]`` as an encoder would give them."""

    kind = "wav2vec2-base"

    def __init__(self, features: torch.Tensor, duration: Fraction):
        self._features, self.duration = features, duration

    def host_value(self, key):
        raise AssertionError("the mix is not heard")

    def features(self, layout):
        return self._features


def spoken(*features: torch.Tensor, regions=HALVES, duration: Fraction = ONE_WINDOW) -> Spoken:
    """Several sounds in one."""
    mix = Spoken(torch.full_like(features[0], torch.nan), duration)
    mix.tracks = tuple(
        EncodedTrack(Spoken(each, duration), region) for each, region in zip(features, regions, strict=True)
    )
    return mix


def voice(seed: int, frames: int = 75) -> torch.Tensor:
    return torch.randn([12, frames, 768], generator=torch.Generator().manual_seed(seed))


def with_voices(model, vae, patch, *voices: torch.Tensor, regions=HALVES, **changes) -> SamplerInputs:
    return inputs_of(model, vae, patch, encoded_audio=spoken(*voices, regions=regions), **changes)


@pytest.mark.slow
def test_two_in_turns_are_the_hosts_graph_to_the_bit(model, vae, patch):
    """Where all of the picture is somebody's, and silence is zeros, as the host has it."""
    encodings = host_encoding(1.5), host_encoding(1.5, seed=8)
    one, other = (HostEncodedAudio(encoding).features(LAYOUT) for encoding in encodings)
    masks = [region.drawn(SIZE, SIZE)[None].float() for region in HALVES]
    inputs = with_voices(
        model,
        vae,
        patch,
        torch.cat([one, torch.zeros_like(other)], dim=1),
        torch.cat([torch.zeros_like(one), other], dim=1),
        regions=[painted(mask, "mask") for mask in masks],
        audio_scale=0.7,
    )
    speakers = {
        "mode": "two_speakers",
        "audio_encoder_output_2": encodings[1],
        "mask_1": masks[0],
        "mask_2": masks[1],
    }
    (ours,), _, runs, _ = sampled(inputs)
    assert runs[0]["sound_to_video_infinitetalk_regions"].shape == (2, 16)
    assert torch.equal(ours, host_latents(inputs, 49, encodings[0], scale=0.7, speakers=speakers))
    together = with_voices(model, vae, patch, torch.cat([one, one], 1), torch.cat([other, other], 1))
    assert not torch.equal(sampled(together)[0][0], ours), "at the same time, which the host cannot"


@pytest.mark.slow
def test_of_two_sounds_the_one_that_changes_changes_its_own_tokens_alone(model, vae, patch):
    def heard(*voices: torch.Tensor) -> torch.Tensor:
        return sampled(with_voices(model, vae, patch, *voices), ONE_STEP)[2][0]["sound_to_video_infinitetalk_heard"]

    one, other, third = (heard(voice(1), voice(2)), heard(voice(2), voice(1)), heard(voice(1), voice(3)))
    assert one.shape[2] == 64
    assert torch.equal(one[:, :, :32], other[:, :, 32:]) and torch.equal(one[:, :, 32:], other[:, :, :32])
    assert torch.equal(one[:, :, :32], third[:, :, :32])
    assert not torch.equal(one[:, :, 32:], third[:, :, 32:])


@pytest.mark.slow
def test_each_speaker_is_heard_alone(checkpoints):
    """By the encoder too: what one says is nothing to what the model hears of the other."""
    from comfy.audio_encoders.audio_encoders import load_audio_encoder_from_sd

    encoder = load_audio_encoder_from_sd(comfy.utils.load_torch_file(str(checkpoints.path("wav2vec2_base"))))

    def features(*seconds: float) -> list[torch.Tensor]:
        speakers = [Speaker(sound(each), region) for each, region in zip(seconds, HALVES, strict=True)]
        encoded = listen(speakers_sound(speakers, IN_TURNS), encoder)
        assert encoded.kind == "wav2vec2-base" and [track.region for track in encoded.tracks] == HALVES
        return [track.encoded.features(LAYOUT) for track in encoded.tracks]

    first, second = features(0.6, 0.4)
    again, other = features(0.6, 0.4)[0], features(0.5, 0.5)[1]
    assert torch.equal(first, again) and first.shape == second.shape == other.shape == (12, 25, 768)
    padded = sound(0.6).delayed(0, 6400)
    assert torch.equal(first, listen(padded, encoder).features(LAYOUT)), (
        "silence is silence to the encoder, as official"
    )
    assert listen(padded, encoder).tracks == ()


@pytest.fixture
def attention():
    """The patch's, of the real head width, with two heads."""
    torch.manual_seed(3)
    network = SingleStreamMultiAttention(256, 64, 2, True, operations=comfy.ops.disable_weight_init)
    for name, parameter in network.named_parameters():
        torch.nn.init.normal_(parameter, std=0.05 if name.endswith("bias") else parameter.shape[-1] ** -0.5)
    return network.eval()


SHAPE = (3, 2, 4)  # latents, rows, columns


def maps_of(speakers: int, nobodys: bool = True) -> torch.Tensor:
    """How much each of 24 tokens resembles each region: in turns the first most, the second most ..."""
    rows = speakers + nobodys
    maps = 0.1 * torch.rand([rows, 24], generator=torch.Generator().manual_seed(4))
    maps[torch.arange(24) % rows, torch.arange(24)] += 0.5
    return maps


def test_two_are_the_hosts_maths_in_the_way_of_several(attention):
    x = torch.randn([1, 24, 256])
    heard = torch.randn([1, 3, 64, 64])
    for nobodys in (True, False):
        maps = maps_of(2, nobodys)
        host = attention(x, heard, shape=SHAPE, x_ref_attn_map=maps)
        ours = heard_by_all(attention, x, heard, SHAPE, maps, 2)
        assert (ours - host).abs().max() < 1e-5 * host.abs().max()


@pytest.mark.parametrize("speakers", [2, 3, 4])
def test_positions_are_those_that_were_trained(attention, monkeypatch, speakers):
    """wan/modules/attention.py: rope_h1 (0, 4), rope_h2 (20, 24), rope_bak 12; sounds in the middle of theirs."""
    placed: list[torch.Tensor] = []
    turn = type(attention.rope_1d).forward
    monkeypatch.setattr(
        attention.rope_1d, "forward", lambda x, places: placed.append(places) or turn(attention.rope_1d, x, places)
    )
    maps = maps_of(speakers)
    heard_by_all(attention, torch.randn([1, 24, 256]), torch.randn([1, 3, 32 * speakers, 64]), SHAPE, maps, speakers)
    queries, *keys = placed
    for token in range(24):
        whose = token % (speakers + 1)
        own = maps[whose]
        share = (own[token] - own.min()) / (own.max() - own.min())
        wanted = 12 if whose == speakers else 4 * share + (20 if whose else 0)
        assert queries[token] == pytest.approx(float(wanted), abs=1e-4)
    for whose, places in enumerate(keys):
        of_speakers = places.view(3, speakers, 32)
        assert all(torch.equal(of_speakers[0], latent) for latent in of_speakers), "of every latent alike"
        second = 0 < whose < speakers
        wanted = [2 if second else 22] * speakers
        wanted[whose if whose < speakers else 0] = 22 if second else 2
        assert of_speakers[0].unique(dim=1).flatten().tolist() == wanted


@pytest.mark.parametrize("speakers", [2, 3, 4])
def test_a_silent_speaker_hears_little_of_who_speaks(attention, speakers):
    """By positions alone, which is what a network is trained to go by: everything else in queries and keys alike."""
    with torch.no_grad():
        attention.q_linear.weight.zero_()
        attention.kv_linear.weight[:256].zero_()
        attention.q_linear.bias.fill_(2.0)
        attention.kv_linear.bias[:256].fill_(2.0)
    x = torch.randn([1, 24, 256])
    silence = torch.randn([1, 3, 32, 64])

    def added(speech: torch.Tensor) -> torch.Tensor:
        return heard_by_all(attention, x, torch.cat([speech, *[silence] * (speakers - 1)], 2), SHAPE, maps, speakers)[0]

    maps = maps_of(speakers)
    change = (added(silence + 1.0) - added(silence)).abs().mean(dim=1)
    whose = torch.arange(24) % (speakers + 1)
    speaking = change[whose == 0].mean()
    silent = change[(whose > 0) & (whose < speakers)].mean()
    assert silent < 0.02 * speaking, f"{float(silent / speaking):.4f} of the change is in a silent speaker's region"
    nobodys = change[whose == speakers].mean() / speaking
    assert nobodys == pytest.approx(1 / speakers, abs=0.1), "what is nobody's hears all alike"


def test_what_a_token_resembles_is_its_attention_to_the_regions():
    """calculate_x_ref_attn_map of the official wan/utils/multitalk_utils.py, worked out for each prompt of a batch."""
    generator = torch.Generator().manual_seed(5)
    q, k = (torch.randn([2, 24, 2, 16], generator=generator) for _ in range(2))
    regions = torch.zeros([3, 8], dtype=torch.bool)
    regions[0, :3] = regions[1, 5:] = regions[2, 3:5] = True
    options = {"grid_sizes": SHAPE, "sound_to_video_infinitetalk_regions": regions}
    AttentionMaps()({"x": q, "q": q, "k": k, "transformer_options": options})
    for item, maps in enumerate(options["sound_to_video_infinitetalk_maps"]):
        scores = torch.einsum("qhc,khc->hqk", q[item], k[item, :8]) / 4
        attention = scores.softmax(-1)
        official = torch.stack([attention[:, :, region].mean(-1).mean(0) for region in regions])
        assert maps.shape == (3, 24)
        assert (maps - official).abs().max() < 1e-6


@pytest.mark.slow
def test_what_is_nobodys_hears_all_alike_where_the_host_gives_it_to_somebody(model, vae, patch):
    inputs = with_voices(model, vae, patch, voice(1), voice(2), regions=columns(2))
    (ours,), _, runs, _ = sampled(inputs)
    regions = runs[0]["sound_to_video_infinitetalk_regions"]
    assert regions.shape == (3, 16) and torch.equal(regions.sum(dim=0), torch.ones(16, dtype=torch.long))
    somebodys = with_voices(model, vae, patch, voice(1), voice(2))
    assert not torch.equal(sampled(somebodys)[0][0], ours)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_both_prompts_in_one_batch_and_guidance_by_the_sound(model, vae, patch, count):
    """The official null is one silence, without regions: that of a single speaker."""
    voices = [voice(seed) for seed in range(count)]
    inputs = with_voices(model, vae, patch, *voices, regions=columns(count))
    silent = replace(inputs, encoded_audio=Spoken(torch.zeros_like(voices[0]), ONE_WINDOW))

    def predicted(inputs: SamplerInputs, cfg: float = 1.0, guidance: float = 1.0) -> torch.Tensor:
        given = replace(inputs, options={**inputs.options, "audio_guidance": guidance})
        return sampled(given, replace(ONE_STEP, cfg=cfg))[0][0]

    untold = replace(inputs, positive=inputs.negative)
    both, no_text, no_sound = predicted(inputs), predicted(untold), predicted(silent)
    null = predicted(replace(silent, positive=inputs.negative))
    official = null + 5 * (both - no_text) + 4 * (no_text - null)
    assert (predicted(inputs, 5.0, 4.0) - official).abs().max() < 1e-3 * official.abs().max()
    assert (both - no_sound).abs().max() > 1e-3 * both.abs().max(), "the sound is heard at all"


@pytest.mark.slow
def test_a_stopped_run_goes_on_and_other_regions_are_another_run(model, vae, patch, tmp_path):
    store = SegmentStore(tmp_path)
    inputs = with_voices(model, vae, patch, voice(1), voice(2))
    (first,), *_ = sampled(inputs, ONE_STEP, store=store)
    (again,), _, _, resumed = sampled(inputs, ONE_STEP, store=store)
    assert resumed == 1 and store.trouble is None and torch.equal(first, again)
    assert (
        sampled(with_voices(model, vae, patch, voice(1), voice(2), regions=HALVES[::-1]), ONE_STEP, store=store)[3] == 0
    )
    assert sampled(with_voices(model, vae, patch, voice(2), voice(1)), ONE_STEP, store=store)[3] == 0


@pytest.mark.parametrize(
    ("regions", "files", "words"),
    [
        (
            HALVES,
            {"model_patch": "wan2.1_infiniteTalk_single_fp16.safetensors"},
            "is for one speaker, and 2 speak: load wan",
        ),
        ([Box(0, 0, 0.6, 1), Box(0.4, 0, 1, 1)], {}, "the regions of speakers 1 and 2 overlap"),
        ([HALVES[0], Box(0.95, 0, 1, 1)], {}, "the region of speaker 2 covers nothing of the picture"),
        (columns(5), {}, "InfiniteTalk tells 4 speakers apart at most, not 5"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(model, vae, patch, regions, files, words):
    voices = [voice(1)] * len(regions)
    with pytest.raises(SoundToVideoError, match=words):
        InfiniteTalk().check(with_voices(model, vae, patch, *voices, regions=regions, files=files))


def test_another_encoder_or_a_base_of_another_size(vae, patch, model):
    inputs = with_voices(model, vae, patch, voice(1), voice(2))
    inputs.encoded_audio.kind = "wav2vec2-large"
    with pytest.raises(SoundToVideoError, match=r"wav2vec2 large .* InfiniteTalk listens to wav2vec2 base"):
        InfiniteTalk().check(inputs)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_a_family_that_hears_one_sound_says_so(family):
    mix = speakers_sound([Speaker(sound(0.2), region) for region in HALVES], IN_TURNS)
    heard = Spoken(voice(1), mix.duration)
    heard.audio = mix
    inputs = SamplerInputs(None, None, [], [], heard, 64, 64, family.frame_rate)
    said = (
        []
        if family.hears_speakers
        else [f"{family.name} hears the 2 speakers as one sound: it does not know who is where."]
    )
    assert family.unheard_speakers(inputs) == said
    heard.audio = sound(0.2)
    assert family.unheard_speakers(inputs) == []
