"""The mouth set into the footage: what is not masked is the footage's, bit for bit, whatever the model makes."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from comfy_api.latest import InputImpl
from PIL import Image
from sound_to_video.core.clip.composite import ColourMatch, CompositeDecoder
from sound_to_video.core.clip.formats import DEFAULT_QUALITY, FORMATS
from sound_to_video.core.clip.mux import write_clip
from sound_to_video.core.clip.video import SampledVideo
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.frames.crops import Crops
from sound_to_video.core.frames.footage import Footage
from sound_to_video.core.frames.images import levels_of
from sound_to_video.core.frames.mouth import Examined, path_of_masks
from sound_to_video.core.frames.source import TensorFrames, source_of
from sound_to_video.core.lip_sync import KEPT_QUALITY
from sound_to_video.tests.unit.test_footage import write_footage

MEDIA = Path(__file__).resolve().parents[2] / "media"
COUNT, WIDTH, HEIGHT, SIZE = 20, 150, 97, 64


@dataclass(frozen=True)
class Made:
    """Stands for the decoder of the crops: these are what a model made."""

    crops: torch.Tensor

    def frames(self, latents):
        yield from self.crops.split(3)


def footage() -> torch.Tensor:
    noise = torch.rand([COUNT, HEIGHT, WIDTH, 3], generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.avg_pool2d(noise.movedim(-1, 1), 5, 1, 2).movedim(1, -1).contiguous()


def crops_of(images, mask, rate=25, when_longer="hold", frame_count=COUNT, step=1, cuts=()) -> Crops:
    source = TensorFrames(images, Fraction(rate))
    path = path_of_masks(Examined(len(images), list(cuts)), mask, 0, source)
    return Crops(Footage(source, 0, len(images), when_longer), path, SIZE, step, frame_count)


def composed(crops: Crops, made: torch.Tensor) -> torch.Tensor:
    rate = crops.footage.source.rate
    return torch.cat(list(CompositeDecoder(Made(made), crops, rate, crops.frame_count).frames([])))


def moving_mask() -> torch.Tensor:
    mask = torch.zeros(COUNT, HEIGHT, WIDTH)
    for index in range(COUNT):
        mask[index, 40:60, 40 + 2 * index : 65 + 2 * index] = 1
    return mask


@pytest.mark.parametrize("made", ["what the model saw", "noise", "numbers that are none"])
def test_outside_the_mask_every_pixel_is_the_footages(made):
    images, mask = footage(), moving_mask()
    crops = crops_of(images, mask)
    seen = crops.frames(0, COUNT)
    made_frames = {
        "what the model saw": seen,
        "noise": torch.rand_like(seen),
        "numbers that are none": torch.full_like(seen, float("nan")),
    }[made]
    result = composed(crops, made_frames)
    assert result.shape == images.shape
    outside = mask == 0
    assert torch.equal(result[outside], images[outside])
    if made == "noise":
        assert (result[~outside] - images[~outside]).abs().mean() > 0.05
    if made == "what the model saw":
        assert (result - images).abs().mean() < 0.01, "there and back through the model's size"


def test_an_empty_mask_gives_the_footage_back():
    images = footage()
    result = composed(crops_of(images, torch.zeros(1, HEIGHT, WIDTH)), torch.rand(COUNT, SIZE, SIZE, 3))
    assert torch.equal(result, images)


def test_a_crop_of_the_models_size_is_given_back_as_it_is():
    images = footage()[:, :SIZE, :SIZE]
    mask = torch.ones(1, SIZE, SIZE)
    crops = crops_of(images, mask)
    assert torch.equal(crops.frames(0, COUNT), images)
    assert torch.allclose(composed(crops, images), images, atol=1e-6)


def test_frames_between_sampled_ones_have_a_mouth_between_theirs():
    images = torch.full([COUNT, SIZE, SIZE, 3], 0.5)
    mask = torch.zeros(1, SIZE, SIZE)
    mask[:, 16:48, 16:48] = 1
    crops = crops_of(images, mask, rate=50, step=2)
    levels = torch.linspace(0.2, 0.65, COUNT // 2)
    made = images[: COUNT // 2].clone()
    made[:, 8:56, 8:56] = levels[:, None, None, None]
    result = composed(crops, made)[:, 32, 32, 0]
    steps = result.diff()
    assert len(result) == COUNT
    assert (steps[:-1] >= -1e-6).all(), "a mouth that opens steadily does so in every frame"


@pytest.mark.parametrize("when_longer", ["hold", "forth and back", "loop"])
def test_footage_that_goes_on_keeps_its_own_masks(when_longer):
    images, mask = footage(), moving_mask()
    crops = crops_of(images, mask, when_longer=when_longer, frame_count=50)
    result = composed(crops, torch.rand(50, SIZE, SIZE, 3))
    for index, frame in enumerate(result):
        shown = crops.footage.frame_at(index)
        outside = mask[shown] == 0
        assert torch.equal(frame[outside], images[shown][outside]), index
        assert not torch.equal(frame[~outside], images[shown][~outside])


def test_what_is_repeated_by_the_next_segment_is_read_once():
    images = footage()
    crops, reads = crops_of(images, moving_mask()), []
    levels = crops.footage.source.levels

    def watched(start, stop):
        reads.append((start, stop))
        return levels(start, stop)

    crops.footage.source.levels = watched
    first, second = crops.frames(0, 9), crops.frames(5, 17)
    assert torch.equal(first[5:], second[:4])
    assert reads == [(0, 9), (9, 17)]


def test_colours_follow_the_ring_around_the_mask_within_a_second():
    known = footage()[0][:SIZE, :SIZE]
    mask = torch.zeros(SIZE, SIZE)
    mask[20:44, 20:44] = 1
    made = (known * 0.9 + 0.15).clamp(0, 1)
    matching = ColourMatch(Fraction(25))
    assert (matching.matched(made, known, mask) - known).abs().mean() < 0.02
    flash = matching.matched(made * 0.5, known, mask)
    assert flash.mean() < known.mean() * 0.75, "one frame that is off does not turn the correction over"
    for _ in range(60):
        settled = matching.matched(made * 0.8, known, mask)
    assert (settled - known).abs().mean() < 0.03


@pytest.mark.parametrize(
    ("when_longer", "cuts", "same"),
    [
        ("loop", [], {COUNT: 0, 2 * COUNT: 0}),
        ("hold", [8], {8: 8}),
        ("forth and back", [8], {8: 8, 31: 7, 46: 8}),
    ],
)
def test_colours_are_matched_anew_where_a_scene_begins(when_longer, cuts, same):
    """As if the clip began there, while the footage's light goes over from one end to the other."""
    light = torch.linspace(0, 0.4, COUNT)[:, None, None, None]
    images = footage() * 0.5 + light
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[:, 30:70, 50:90] = 1
    made = footage()[:1, :SIZE, :SIZE].repeat(50, 1, 1, 1)
    crops = crops_of(images, mask, when_longer=when_longer, frame_count=50, cuts=cuts)
    result = composed(crops, made)
    for index, shown in same.items():
        alone = composed(crops_of(images[[shown]], mask, frame_count=1), made)[0]
        assert torch.equal(result[index], alone), index
        after_another = composed(crops_of(images[[shown - 1, shown]], mask, frame_count=2), made)[1]
        assert not torch.equal(after_another, alone), "it does depend on where matching began"


def test_a_mouth_that_comes_back_is_matched_anew():
    images, mask = footage() + torch.linspace(-0.2, 0.2, COUNT)[:, None, None, None], moving_mask()
    mask[5:9] = 0
    made = torch.rand(50, SIZE, SIZE, 3)
    made[:] = made[0]
    crops = crops_of(images, mask, when_longer="forth and back", frame_count=50)
    result = composed(crops, made)
    for index in (9, 34):  # 34: backwards, the frame in front of the gap
        shown = crops.footage.frame_at(index)
        alone = composed(crops_of(images[shown : shown + 1], mask[shown : shown + 1], frame_count=1), made)[0]
        inside = mask[shown] > 0
        assert torch.allclose(result[index][inside].mean(), alone[inside].mean(), atol=0.02), index


def test_over_footage_of_8_bits_the_file_gets_8_bits(tmp_path):
    """What is written is what a float clip would be rounded to; NaN is no mouth."""
    source = source_of(InputImpl.VideoFromFile(str(write_footage(tmp_path / "footage.mp4", range(20), size=(96, 64)))))
    mask = torch.zeros(1, 64, 96)
    mask[:, 20:50, 30:60] = 1
    path = path_of_masks(Examined(20, []), mask, 0, source)
    for when_longer in ("loop", "forth and back"):
        crops = Crops(Footage(source, 0, 20, when_longer), path, SIZE, 1, 45)
        decoder = CompositeDecoder(Made(torch.rand(45, SIZE, SIZE, 3)), crops, source.rate, 45)
        levels, frames = torch.cat(list(decoder.levels([]))), torch.cat(list(decoder.frames([])))
        assert levels.dtype == torch.uint8 and frames.dtype == torch.float32
        assert torch.equal(levels, levels_of(frames))
    broken = CompositeDecoder(Made(torch.full([45, SIZE, SIZE, 3], float("nan"))), crops, source.rate, 45)
    with pytest.raises(SoundToVideoError, match="frame 0 holds NaN"):
        list(broken.levels([]))


@pytest.mark.slow
def test_what_is_kept_is_kept_in_the_file(tmp_path):
    """The encoder alone stands between the footage and the file: as if the footage itself were written."""
    size = 128
    smooth = torch.nn.functional.interpolate(torch.rand(1, 3, 5, 5), (size, size), mode="bicubic").clamp(0, 1)
    images, mask = smooth.repeat(COUNT, 1, 1, 1).movedim(1, -1).contiguous(), torch.zeros(1, size, size)
    mask[:, 60:90, 40:80] = 1
    crops = crops_of(images, mask)
    decoder = CompositeDecoder(Made(crops.frames(0, COUNT) * 0.5), crops, Fraction(25), COUNT)
    outside = torch.zeros(size, size, dtype=torch.bool)
    outside[:48], outside[104:] = True, True  # two blocks of the encoder away from the mask

    def decibels(frames) -> float:
        path = write_clip(tmp_path / "clip.mp4", frames, Fraction(25))
        with av.open(str(path)) as container:
            written = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        error = (torch.from_numpy(written).float() / 255 - images)[:, outside].square().mean()
        return float(-10 * torch.log10(error))

    assert decibels(decoder.frames([])) > decibels([images]) - 0.5


def grainy_portrait(path):
    """As a camera writes it: a painted portrait that is panned over, with grain, H.264 in 4:2:0."""
    count, random = 24, np.random.default_rng(0)
    picture = np.asarray(Image.open(MEDIA / "sound_to_video_portrait.png").convert("RGB"), np.int16)
    height, width = (side // 2 * 2 - 2 * count for side in picture.shape[:2])
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.colorspace = Colorspace.ITU709
        for at in range(count):
            shown = picture[at : at + height, at : at + width] + random.normal(0, 2.5, (height, width, 3))
            output.mux(stream.encode(VideoFrame.from_ndarray(shown.clip(0, 255).astype(np.uint8), format="rgb24")))
        output.mux(stream.encode(None))
    return path


@pytest.fixture(params=["a drawn speaker", "a portrait with grain"])
def footage_path(request, tmp_path):
    drawn = MEDIA / "sound_to_video_speaker.mp4"
    return drawn if request.param == "a drawn speaker" else grainy_portrait(tmp_path / "footage.mp4")


def levels_in(path, count: int) -> torch.Tensor:
    """The first frames of a file, ``[count, height, width, 3]`` in 0..255."""
    frames = torch.stack(list(source_of(InputImpl.VideoFromFile(str(path))).levels(0, count)))
    return frames.float() * (1 if frames.dtype == torch.uint8 else 255)


def decibels_between(written: torch.Tensor, levels: torch.Tensor) -> float:
    return float(20 * np.log10(255) - 10 * torch.log10((written - levels).square().mean()))


@pytest.mark.slow
@pytest.mark.parametrize("clip_format", FORMATS.values(), ids=FORMATS)
def test_every_format_keeps_footage_to_45_decibels_at_very_high(tmp_path, footage_path, clip_format):
    levels = levels_in(footage_path, 24)
    frames = levels.to(torch.uint8)
    clip = write_clip(tmp_path / f"clip{clip_format.suffix}", [frames], Fraction(24), None, clip_format, KEPT_QUALITY)
    assert decibels_between(levels_in(clip, 24), levels) >= 45


@pytest.mark.slow
@pytest.mark.parametrize(("quality", "most"), [(DEFAULT_QUALITY, 2), (KEPT_QUALITY, 3)])
def test_footage_of_a_file_is_kept_to_45_decibels_in_the_clips(tmp_path, footage_path, quality, most):
    """Away from the mask; the finer quality is for finer detail. most: of the footage's own bytes."""
    path = footage_path
    source = source_of(InputImpl.VideoFromFile(str(path)))
    images = torch.stack(list(source.levels(0, 48)))
    count, height, width = images.shape[:3]
    mask, away = torch.zeros(1, height, width), torch.ones(height, width, dtype=torch.bool)
    top, left = height // 2, width // 3
    mask[:, top : top + height // 4, left : left + width // 3] = 1
    away[top - 32 : top + height // 4 + 32, left - 32 : left + width // 3 + 32] = False  # two blocks of the encoder
    crops = Crops(
        Footage(source, 0, count, "hold"), path_of_masks(Examined(count, []), mask, 0, source), SIZE, 1, count
    )
    decoder = CompositeDecoder(Made(1 - crops.frames(0, count)), crops, source.rate, count)
    clip = tmp_path / "clip.mp4"
    SampledVideo(decoder, [], None, quality=quality).save_to(clip)
    assert decibels_between(levels_in(clip, count)[:, away], images[:, away].float()) >= 45
    assert _picture_bytes(clip, count) < most * _picture_bytes(path, count)


def _picture_bytes(path, count: int) -> int:
    with av.open(str(path)) as container:
        return sum(packet.size for packet in islice(container.demux(video=0), count))
