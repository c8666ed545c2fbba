"""Long sound: memory that does not grow with it, windows that hear what one pass hears, disks that fail."""

import itertools
import logging
import random
from fractions import Fraction
from pathlib import Path

import folder_paths
import pytest
import torch
from sound_to_video.benchmarks.audio import hour_of_mp3
from sound_to_video.benchmarks.clips import sampled_video
from sound_to_video.benchmarks.process import Measured
from sound_to_video.core.audio import audio_from, open_audio
from sound_to_video.core.clip.mux import write_clip
from sound_to_video.core.families.wan.features import WanS2VLayout
from sound_to_video.core.features import encoders as audio_encoding
from sound_to_video.core.features.encoders import laid_out, windowed_features
from sound_to_video.core.frames.reading import frames_of
from sound_to_video.nodes import _sampler
from sound_to_video.nodes.s2v_sampler import S2VSampler

MEGABYTE = 1 << 20
LAYOUT = WanS2VLayout()
on_linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures memory by Linux's /proc")


@pytest.fixture(autouse=True)
def as_in_a_node(tmp_path, monkeypatch):
    for kind in ("temp", "user"):
        monkeypatch.setattr(folder_paths, f"{kind}_directory", str(tmp_path / kind))
    with torch.inference_mode():
        yield


def peak_of(work) -> int:
    with Measured() as measured:
        work()
    assert measured.peak_bytes is not None
    return measured.peak_bytes


@pytest.mark.slow
@on_linux
def test_a_clip_six_times_as_long_takes_no_more_memory(tmp_path):
    def write(seconds: int) -> None:
        stream = frames_of(sampled_video(tmp_path, seconds, 256, 160), 16)
        write_clip(tmp_path / "clip.mp4", stream.groups, stream.frame_rate, stream.audio)

    short, long = peak_of(lambda: write(10)), peak_of(lambda: write(60))
    frames_of_50_seconds = 50 * 16 * 256 * 160 * 12
    assert frames_of_50_seconds > 350 * MEGABYTE
    assert long - short < 60 * MEGABYTE


@pytest.mark.slow
@on_linux
def test_ten_seconds_of_an_hour_leave_the_rest_alone(tmp_path):
    hour = hour_of_mp3(tmp_path / "hour.mp3", 8000, 1, "8k")

    def cut() -> None:
        audio = open_audio(hour)
        assert audio.duration == 3600
        assert audio.trimmed(1800 * 8000, 1810 * 8000)["waveform"].shape == (1, 1, 80000)

    assert peak_of(cut) < 24 * MEGABYTE, "the whole hour is 115 MB"
    before = bytes_read()
    cut()
    assert bytes_read() - before < hour.stat().st_size / 20


def bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])


@pytest.mark.parametrize("seed", range(8))
def test_features_in_pieces_are_features_at_once(seed):
    draw = random.Random(seed)
    count = draw.randrange(3, 2000)
    rate = draw.choice([Fraction(16), Fraction(24), Fraction(25), Fraction(30000, 1001)])
    layers = torch.randn([3, count, 5], generator=torch.Generator().manual_seed(seed))
    cuts = sorted({0, count, *(draw.randrange(count) for _ in range(draw.randrange(6)))})
    layout = WanS2VLayout(rate)
    frames, whole = layout.in_pieces(count, 320 * count), layout.features(layers, 320 * count)
    assert frames.frame_count == whole.shape[1]
    pieces = torch.full_like(whole, torch.nan)
    for start, stop in itertools.pairwise(cuts):
        place, values = frames.add(layers[:, start:stop])
        pieces[:, place] = values
    assert (pieces - whole).abs().max() < 1e-3, "the host's interpolation places features in float32"


@pytest.fixture(scope="module")
def encoder(checkpoints):
    """wav2vec2 large with three of its 24 layers: its convolutions and attention, in a few seconds."""
    import comfy.audio_encoders.audio_encoders
    import comfy.utils

    weights = comfy.utils.load_torch_file(str(checkpoints.path("wav2vec2")))
    encoder = comfy.audio_encoders.audio_encoders.load_audio_encoder_from_sd(weights)
    encoder.model.encoder.layers = encoder.model.encoder.layers[:3]
    return encoder


def swelling_sound(seconds: float):
    """Noise that grows louder by the second: windows normalised one by one would not show it."""
    count = round(seconds * 16000)
    noise = torch.randn([1, 1, count], generator=torch.Generator().manual_seed(0))
    return audio_from({"waveform": noise * torch.linspace(0.05, 0.5, count), "sample_rate": 16000})


@pytest.mark.slow
def test_windows_of_wav2vec2_are_near_one_pass(encoder, monkeypatch):
    """Random attention looks everywhere alike, so that what lies outside the window is missed more than in a trained
    one; still the windows differ from one pass by far less than features do from moment to moment."""
    monkeypatch.setattr(audio_encoding, "WINDOW_SECONDS", 3)
    monkeypatch.setattr(audio_encoding, "MARGIN_SECONDS", 1)
    audio = swelling_sound(4)
    one_pass = laid_out(audio, encoder, [LAYOUT])[LAYOUT]
    windowed = windowed_features(audio, encoder, [LAYOUT])[LAYOUT]
    assert windowed.shape == one_pass.shape
    spread = one_pass.std(dim=1, keepdim=True).mean(dim=(1, 2))  # of a feature over time, layer by layer
    difference = (windowed - one_pass).abs().mean(dim=(1, 2)) / spread
    logging.info("windowed against one pass, layer by layer, in deviations: %s", difference.tolist())
    assert difference[0] < 0.05, "before any attention only the positions' convolution sees the window's edge"
    assert difference.max() < 0.5


@pytest.mark.slow
@on_linux
def test_encoding_in_windows_takes_no_more_memory_for_longer_sound(encoder, monkeypatch):
    monkeypatch.setattr(audio_encoding, "WINDOW_SECONDS", 3)
    monkeypatch.setattr(audio_encoding, "MARGIN_SECONDS", 1)
    encode = lambda seconds: windowed_features(swelling_sound(seconds), encoder, [LAYOUT])  # noqa: E731
    encode(3)
    short, long = peak_of(lambda: encode(4)), peak_of(lambda: encode(12))
    assert long - short < 40 * MEGABYTE, "one pass over 8 s more needs 200 MB"


@pytest.fixture(scope="module")
def wan(checkpoints):
    import comfy.sd
    import comfy.utils

    model = comfy.sd.load_diffusion_model(str(checkpoints.path("wan_s2v")))
    return model, comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(checkpoints.path("wan_vae"))))


@pytest.fixture
def sample(wan, monkeypatch):
    """``sample()``: S2V Sampler as the host calls it, 9 s in two segments: latents, segments found, what it said."""
    from comfy_api.latest import io

    def run():
        said: list[str] = []
        monkeypatch.setattr(_sampler, "text_on_node", lambda unique_id: said.append)
        generator = torch.Generator().manual_seed(2)
        layers = tuple(torch.randn([1, 450, 1024], generator=generator) for _ in range(25))
        encoded = {"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": 9 * 16000}
        text = [[torch.randn([1, 2, 1024], generator=generator), {}]]
        node = S2VSampler.PREPARE_CLASS_CLONE({})
        names = ("unique_id", "prompt", "extra_pnginfo", "dynprompt", "auth_token_comfy_org", "api_key_comfy_org")
        node.hidden = io.HiddenHolder(**dict.fromkeys(names))
        image = torch.rand([1, 64, 64, 3], generator=generator)
        output = node.execute(
            model=wan[0],
            vae=wan[1],
            positive=text,
            negative=text,
            encoded_audio=encoded,
            reference_image=image,
            width=64,
            height=64,
            seed=5,
            steps=2,
            cfg=1.0,
            sampler_name="euler",
            scheduler="simple",
            image_fit="crop",
            audio_scale=1.0,
            frame_rate=0.0,
            segment_seconds=0.0,
        )
        return output.args[1]["samples"].clone(), output.ui["sound_to_video_resumed"], said[-1]

    return run


@pytest.mark.slow
def test_a_full_disk_costs_the_cache_not_the_run(sample):
    undisturbed, found, said = sample()
    assert found == [0]
    assert "not kept" not in said
    for path in _sampler.segments_folder().iterdir():
        path.unlink()
    resource = pytest.importorskip("resource")  # not on Windows
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
    try:
        latents, found, said = sample()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert torch.equal(latents, undisturbed)
    assert "finished segments are not kept: " in said
    assert list(_sampler.segments_folder().iterdir()) == []
    assert sample()[1] == [0]
    assert sample()[1] == [2]


@pytest.mark.slow
def test_a_cache_folder_that_cannot_be_written_costs_the_cache_not_the_run(sample):
    undisturbed, *_ = sample()
    folder = _sampler.segments_folder()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("in the way; a mode would not stop the root user")
    latents, found, said = sample()
    assert torch.equal(latents, undisturbed)
    assert found == [0]
    assert "finished segments are not kept: " in said


@pytest.mark.slow
def test_a_damaged_segment_is_sampled_again(sample, caplog):
    undisturbed, *_ = sample()
    path = min(_sampler.segments_folder().iterdir())
    path.write_bytes(path.read_bytes()[:-100])
    latents, found, _ = sample()
    assert torch.equal(latents, undisturbed)
    assert found == [1]
    assert "is damaged and is sampled anew" in caplog.text
