"""Where the mouth is: by a mask, by a face model, by a box; and what the crop around it is."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.frames.crops import Crops, token_masks
from sound_to_video.core.frames.footage import Footage
from sound_to_video.core.frames.mouth import (
    Examined,
    examine,
    faces_by,
    head_face,
    path_of_faces,
    path_of_masks,
    region_of,
)
from sound_to_video.core.frames.source import TensorFrames
from sound_to_video.tests.fuzz.values import ODD_TENSORS

RATE = Fraction(25)
WIDTH, HEIGHT = 160, 90


def source(count=50, width=WIDTH, height=HEIGHT, images=None) -> TensorFrames:
    return TensorFrames(torch.full([count, height, width, 3], 0.5) if images is None else images, RATE)


class FaceModel:
    """Stands for the host's: ``seen(number of the call)`` gives the boxes in a frame."""

    def __init__(self, seen):
        self.seen, self.frames = seen, 0

    def detect_batch(self, images, num_faces, score_thresh, variant):
        found = []
        for image in images:
            assert image.dtype == np.uint8 and image.ndim == 3
            found.append([self.face(*box) for box in self.seen(self.frames)])
            self.frames += 1
        return found

    @staticmethod
    def face(left, top, right, bottom):
        points = np.zeros((478, 2), np.float32)
        points[:] = (left + right) / 2, top + 0.75 * (bottom - top)
        points[61, 0], points[291, 0] = left + 0.3 * (right - left), left + 0.7 * (right - left)
        points[2] = (left + right) / 2, top + 0.6 * (bottom - top)
        return {"bbox_xyxy": np.array([left, top, right, bottom]), "landmarks_xy": points}


def test_the_region_holds_the_lips_and_the_jaw_but_not_the_eyes():
    face = head_face((0.2, 0.1, 0.8, 0.9), 100, 100)[None]
    for region, top in (("mouth", 55), ("lower face", 54), ("whole face", 10)):
        (box,) = region_of(face, region)
        assert box[1] == pytest.approx(top, abs=5)
        assert box[0] < 40 and box[2] > 60 and 90 <= box[3] <= 100, region


def test_the_face_is_followed_between_looks_and_the_crop_keeps_its_size():
    """Looked for in every third frame; the head goes right by two pixels from look to look."""
    model = FaceModel(lambda call: [(20 + 2 * call, 20, 50 + 2 * call, 60)])
    footage = source(75)
    examined = examine(footage, 0, 75, faces_by(model))
    assert examined.count == 75 and model.frames == 25
    path = path_of_faces(examined, examined.faces, "lower face", footage, 2.2)
    assert len(set(path.sides.tolist())) == 1 and path.sides[0] == 88
    for frame in range(75):
        middle = (path.regions[frame, 0] + path.regions[frame, 2]) / 2
        assert middle == pytest.approx(35 + 2 * min(frame, 72) / 3, abs=1)
    lefts = path.corners[:, 0]
    assert lefts[0] == 0 and (np.diff(lefts) >= 0).all() and np.diff(lefts).max() <= 2
    assert lefts[-1] + 88 <= WIDTH


def test_of_several_faces_the_largest_or_the_one_in_the_box_and_it_stays_the_same():
    def seen(call):  # the small one grows
        grow = min(30, 3 * call)
        return [(10, 10, 50, 60), (100 - grow, 20, 130, 50 + grow / 2)]

    footage = source(50)
    largest = examine(footage, 0, 50, faces_by(FaceModel(seen)))
    assert (largest.faces[:, 0] == 10).all()
    chosen = examine(footage, 0, 50, faces_by(FaceModel(seen)), inside=(0.5, 0, 1, 1))
    assert (chosen.faces[:, 2] == 130).all()


def test_a_face_that_is_gone_for_more_than_half_a_second_passes_through():
    gone = {4, 5, 6, *range(15, 20)}  # of looks at every third frame: 0.48 s, then 0.72 s
    model = FaceModel(lambda call: [] if call in gone else [(40, 20, 80, 70)])
    footage = source(75)
    examined = examine(footage, 0, 75, faces_by(model))
    path = path_of_faces(examined, examined.faces, "mouth", footage, 2.2)
    (lost,) = path.lost()
    assert lost == (42 + 12, 60), "held for half a second after the last look that saw it"
    assert path.starts == [60]
    assert not path.is_masked(55) and path.is_masked(10)


def test_no_face_at_all_says_where():
    with pytest.raises(SoundToVideoError, match=r"no face was found in the footage from 0\.40 s to 1\.60 s: connect a"):
        examine(source(40), 10, 40, faces_by(FaceModel(lambda call: [])))
    with pytest.raises(SoundToVideoError, match="face_detection_model is none"):
        faces_by("a string")


def test_a_cut_starts_afresh():
    images = torch.cat([torch.rand(20, HEIGHT, WIDTH, 3) * 0.3, 0.7 + torch.rand(20, HEIGHT, WIDTH, 3) * 0.3])
    model = FaceModel(lambda call: [(10, 10, 30, 40)] if call < 7 else [(90, 20, 140, 80)])
    footage = source(images=images)
    examined = examine(footage, 0, 40, faces_by(model))
    assert examined.cuts == [20]
    path = path_of_faces(examined, examined.faces, "lower face", footage, 2.2)
    assert path.starts == [20]
    assert set(path.sides[:20].tolist()) == {66} and set(path.sides[20:].tolist()) == {90}


def test_movement_is_no_cut():
    images = torch.zeros(30, HEIGHT, WIDTH, 3)
    for index in range(30):
        images[index, 20:70, 4 * index : 4 * index + 40] = 0.8
    assert examine(source(images=images), 0, 30).cuts == []


@pytest.mark.parametrize("kind", ODD_TENSORS)
def test_a_mask_without_numbers_in_rows_is_named(kind):
    mask = ODD_TENSORS[kind]([1, HEIGHT, WIDTH])
    with pytest.raises(SoundToVideoError, match=r"mask is no MASK but a .*tensor.*: connect one, or nothing"):
        path_of_masks(Examined(10, []), mask, 0, source(10))


def test_masks_that_do_not_fit_say_what_to_do():
    footage, examined = source(10), Examined(10, [])
    with pytest.raises(SoundToVideoError, match=r"the mask is 64 x 32, the footage 160 x 90"):
        path_of_masks(examined, torch.ones(1, 32, 64), 0, footage)
    with pytest.raises(SoundToVideoError, match=r"masks for 8 frames of the footage, and 10 are shown"):
        path_of_masks(examined, torch.ones(8, HEIGHT, WIDTH), 0, footage)
    with pytest.raises(SoundToVideoError, match="mask is no MASK"):
        path_of_masks(examined, "mask", 0, footage)
    for box in ((0.5, 0.1, 0.5, 0.9), (0.2, 0.9, 0.8, 0.1)):
        with pytest.raises(SoundToVideoError, match="the box around the head is empty"):
            head_face(box, 100, 100)


def test_a_token_takes_the_maximum_of_its_pixels():
    masks = torch.zeros(2, 64, 64)
    masks[0, 31, 32] = 0.4
    masks[1, 63, 0] = 1
    assert token_masks(masks, 2).tolist() == [[[0, pytest.approx(0.4)], [0, 0]], [[0, 0], [1, 0]]]


@pytest.mark.parametrize("step", [1, 2])
def test_a_sampled_frame_answers_for_those_up_to_the_next(step):
    masks = torch.zeros(12, 64, 64)
    masks[:, 10:50, 10:50] = 1
    masks[5, 0, 0] = 1  # one pixel, one frame
    footage = source(12, 64, 64)
    path = path_of_masks(Examined(12, []), masks, 0, footage)
    assert path.crop(3) == (0, 0, 64)
    crops = Crops(Footage(footage, 0, 12, "hold"), path, 64, step, 12)
    marked = crops.masks(0, 12 // step, 64)[:, 0, 0]
    assert marked.nonzero().flatten().tolist() == [5 // step]


def test_a_feathered_mask_is_0_where_the_mask_is_and_1_in_its_middle():
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[:, 30:70, 60:100] = 1
    path = path_of_masks(Examined(3, []), mask, 0, source(3))
    given, soft = path.mask(1), path.feathered(1)
    assert (soft[given == 0] == 0).all()
    assert soft.max() == 1 and ((soft > 0) & (soft < 0.5)).any()


def test_an_empty_mask_masks_nothing():
    path = path_of_masks(Examined(3, []), torch.zeros(1, HEIGHT, WIDTH), 0, source(3))
    assert not any(path.is_masked(frame) for frame in range(3))
