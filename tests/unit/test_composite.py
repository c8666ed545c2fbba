"""The mouth set into the footage: what is not masked is the footage's, bit for bit, whatever the model makes."""

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from sound_to_video.core.clip.composite import ColourMatch, CompositeDecoder
from sound_to_video.core.clip.mux import write_clip
from sound_to_video.core.frames.crops import Crops
from sound_to_video.core.frames.footage import Footage
from sound_to_video.core.frames.mouth import Examined, path_of_masks
from sound_to_video.core.frames.source import TensorFrames

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


def crops_of(images, mask, rate=25, when_longer="hold", frame_count=COUNT, step=1) -> Crops:
    source = TensorFrames(images, Fraction(rate))
    path = path_of_masks(Examined(len(images), []), mask, 0, source)
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
    frames = crops.footage.source.frames

    def watched(start, stop):
        reads.append((start, stop))
        return frames(start, stop)

    crops.footage.source.frames = watched
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
