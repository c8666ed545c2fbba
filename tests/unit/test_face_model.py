"""The host's own face model (MediaPipe) finds the mouth: its loader, its model and its way through frames as they are.

Its published weights are not here. The file that is loaded is random; in place of its detector and its mesh stand two
that know a drawn face, a red box, so that anchors, regions and landmarks go through the host's code.
"""

from fractions import Fraction

import comfy.utils
import folder_paths
import numpy as np
import pytest
import torch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.frames.mouth import examine, faces_by, path_of_faces
from sound_to_video.core.frames.source import TensorFrames

nodes_mediapipe = pytest.importorskip("comfy_extras.nodes_mediapipe", reason="this host has no MediaPipe")
landmarker = pytest.importorskip("comfy_extras.mediapipe.face_landmarker")

pytestmark = pytest.mark.usefixtures("as_in_a_node")
WIDTH, HEIGHT, COUNT, RATE = 160, 120, 40, Fraction(25)
CELLS, INPUT = 48, 192  # of the detector: a grid of anchors over its input's pixels


class Detector(torch.nn.Module):
    """Red in ``[n, 3, 192, 192]``, -1..1, is a face: one anchor says where."""

    def __init__(self, stem):
        super().__init__()
        self.stem = stem

    def forward(self, images):
        places, scores = torch.zeros([len(images), CELLS**2, 16]), torch.full([len(images), CELLS**2, 1], -50.0)
        for number, image in enumerate(images):
            rows, columns = ((image[0] > 0.5) & (image[1] < 0)).nonzero().T
            if not len(rows):
                continue
            left, right, top, bottom = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
            x, y = (left + right) / 2, (top + bottom) / 2
            cell = int(y * CELLS / INPUT) * CELLS + int(x * CELLS / INPUT)
            from_x, from_y = (cell % CELLS + 0.5) * INPUT / CELLS, (cell // CELLS + 0.5) * INPUT / CELLS
            eyes = [x - 8 - from_x, y - from_y, x + 8 - from_x, y - from_y]
            places[number, cell, :8] = torch.tensor([x - from_x, y - from_y, right - left, bottom - top, *eyes])
            scores[number, cell] = 5
        return places, scores


class Mesh(torch.nn.Module):
    """Landmarks of a crop of 192 pixels, one and a half times the face: a box, lips low in it, a nose above them."""

    def forward(self, crops):
        points = torch.full([478, 3], 96.0)
        points[10, :2], points[152, :2] = torch.tensor([32.0, 32.0]), torch.tensor([160.0, 160.0])
        for number, (x, y) in {0: (96, 120), 17: (96, 140), 61: (70, 130), 291: (122, 130), 2: (96, 108)}.items():
            points[number, :2] = torch.tensor([float(x), float(y)])
        for number in (13, 14, 37, 267, 84, 314):
            points[number, :2] = torch.tensor([96.0, 130.0])
        return points.expand(len(crops), -1, -1), torch.ones(len(crops))


@pytest.fixture(scope="module")
def face_model(tmp_path_factory):
    """What core's loader makes of a file with everything that it looks for."""
    folder = tmp_path_factory.mktemp("detection")
    weights = {}
    for variant in ("short", "full"):
        made = landmarker.FaceLandmarker(detector_variant=variant)
        for name, value in made.state_dict().items():
            weights[name.replace("detector.", f"detector_{variant}.", 1)] = value.clone().contiguous()
    parts = (*nodes_mediapipe._CONTOUR_PARTS, "irises", "nose", "tesselation")
    weights |= {f"topology.{part}": torch.tensor([[0, 1]], dtype=torch.int32) for part in parts}
    weights |= {name: torch.zeros([3, 3]) for name in nodes_mediapipe._CANONICAL_KEYS}
    comfy.utils.save_torch_file(weights, str(folder / "faces.safetensors"))
    folder_paths.add_model_folder_path("detection", str(folder))
    (model,) = nodes_mediapipe.LoadMediaPipeFaceLandmarker.execute("faces.safetensors").args
    return model


@pytest.fixture
def seeing(face_model):
    full = face_model.models["full"]
    networks = full.detector, full.mesh
    full.detector, full.mesh = Detector(full.detector.stem), Mesh()
    yield face_model
    full.detector, full.mesh = networks


def footage(where) -> TensorFrames:
    images = torch.full([COUNT, HEIGHT, WIDTH, 3], 0.3)
    for index in range(COUNT):
        box = where(index)
        if box:
            left, top, right, bottom = box
            images[index, top:bottom, left:right] = torch.tensor([1.0, 0.1, 0.1])
    return TensorFrames(images, RATE)


def test_the_face_is_followed_through_the_hosts_own_model(seeing):
    source = footage(lambda index: (20 + index, 30, 60 + index, 90))
    examined = examine(source, 0, COUNT, faces_by(seeing))
    assert examined.faces is not None
    for index in (0, 12, 39):
        seen = min(index, COUNT - 1)
        assert examined.faces[index, :4] == pytest.approx([20 + seen, 30, 60 + seen, 90], abs=2.5), index
    path = path_of_faces(examined, examined.faces, "mouth", source, 2.2)
    left, top, right, bottom = path.regions[12]
    assert left < 20 + 12 + 20 < right and top > 60 and bottom >= 88, "the lips and the jaw"
    assert (np.diff(path.corners[:, 0]) >= 0).all()


def test_where_it_sees_nobody_the_footage_stays_and_where_it_never_does_it_says_so(seeing):
    source = footage(lambda index: (20, 30, 60, 90) if index < 12 else None)
    examined = examine(source, 0, COUNT, faces_by(seeing))
    path = path_of_faces(examined, examined.faces, "lower face", source, 2.2)
    assert path.is_masked(5) and not path.is_masked(COUNT - 1)
    with pytest.raises(SoundToVideoError, match=r"no face was found in the footage from 0\.00 s to 1\.60 s"):
        examine(footage(lambda index: None), 0, COUNT, faces_by(seeing))
