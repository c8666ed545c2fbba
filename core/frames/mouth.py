"""Where the mouth is in every frame of the footage: by a mask, by the host's face model, or by a box of numbers.

A face is a row of nine numbers in pixels: its box (left, top, right, bottom), the lips' box, the height of the nose's
base. From it come the region that is made anew, and a square crop around the face that the model works on: of one size
from cut to cut, its centre smoothed over a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import SoundToVideoError
from ..tensors import no_tensor, on_few_cores
from ..timeline import Number, exact, rounded, seconds_in_words
from .images import levels_of, pictures_of
from .source import FrameSource

REGIONS = ("lower face", "mouth", "whole face")
WHICH_FACE = ("the largest", "in the box")
CROP_OF_FACE, CROP_OF_HEAD, CROP_OF_MASK = 2.2, 1.5, 3.0  # the crop's side, in sides of what it is around
LOST_SECONDS = exact(0.5)
SMOOTH_SECONDS, STEADY_SECONDS = exact(1), exact(0.2)
DETECTIONS_A_SECOND = 10
DETECTED_AT_ONCE = 8
LEAST_SCORE = 0.5
FEATHER = 0.2  # of a region's half, at its edge
SMALLEST_CROP = 32
CUT_BINS, CUT_DISTANCE, CUT_APART = 12, 0.4, 4
# Points of MediaPipe's face mesh (canonical_face_model_uv_visualization of google-ai-edge/mediapipe).
NOSE_BASE, LIPS = 2, (0, 13, 14, 17, 61, 291, 37, 267, 84, 314)
LOST = np.full(9, np.nan)

Array = np.ndarray
Detect = Callable[[list[Array]], list[list[Array]]]  # uint8 [height, width, 3] -> the faces of each


def head_face(box: Sequence[float], width: int, height: int) -> Array:
    """The face of a head within ``box`` (left, top, right, bottom in 0..1), by the usual proportions of one."""
    left, top, right, bottom = box
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise SoundToVideoError(
            "the box around the head is empty: its left must be less than its right, its top less than its bottom."
        )
    wide, high = (right - left) * width, (bottom - top) * height
    x, y = left * width, top * height
    lips = (x + 0.3 * wide, y + 0.68 * high, x + 0.7 * wide, y + 0.84 * high)
    return np.array([x, y, x + wide, y + high, *lips, y + 0.56 * high])


def faces_by(face_model: Any) -> Detect:
    """The host's FACE_DETECTION_MODEL (comfy_extras/nodes_mediapipe.py) as what finds faces in frames."""
    if not hasattr(face_model, "detect_batch"):
        raise SoundToVideoError(
            "face_detection_model is none: connect core's Load Face Detection Model (MediaPipe), or nothing."
        )

    def detect(frames: list[Array]) -> list[list[Array]]:
        found = face_model.detect_batch(frames, num_faces=0, score_thresh=LEAST_SCORE, variant="full")
        return [[_face_of(face) for face in faces] for faces in found]

    return detect


def _face_of(face: dict[str, Any]) -> Array:
    points = np.asarray(face["landmarks_xy"], float)
    lips = points[list(LIPS)]
    return np.array([*face["bbox_xyxy"], *lips.min(0), *lips.max(0), points[NOSE_BASE, 1]], float)


@dataclass(frozen=True)
class Examined:
    """What one look through the footage tells: how many frames there are, where a scene begins, faces if looked for.

    faces: ``[count, 9]``, NaN where there is none; None where nobody looked.
    """

    count: int
    cuts: list[int]
    faces: Array | None = None


def examine(
    source: FrameSource,
    first: int,
    most: int,
    detect: Detect | None = None,
    inside: Sequence[float] | None = None,
    on_frame: Callable[[], None] = lambda: None,
) -> Examined:
    """Look through at most ``most`` frames from ``first`` on, once, and keep numbers only.

    inside: choose the largest face whose centre is in this box (0..1), if there is one; None: the largest.
    Later the face nearest to the last one is the same. Raises SoundToVideoError where no face is found at all.
    """
    cuts, seen, waiting = _Cuts(), _Faces(source, inside), _Waiting(detect)
    every = max(1, rounded(source.rate / DETECTIONS_A_SECOND))
    count = 0
    for frame in source.levels(first, first + most):
        on_frame()
        with on_few_cores():
            is_cut = cuts.add(frame, count)
        if detect is not None and (is_cut or count % every == 0):
            seen.add(waiting.add(frame, count))
        count += 1
    if not count:
        raise SoundToVideoError("the footage holds no frames from start_seconds on: set it lower.")
    if detect is None:
        return Examined(count, cuts.found)
    seen.add(waiting.finish())
    faces = seen.tracked(cuts.found)
    if not faces:
        start, stop = (seconds_in_words((first + index) / source.rate) for index in (0, count))
        raise SoundToVideoError(
            f"no face was found in the footage from {start} to {stop}: connect a mask of the mouth instead, or "
            f"disconnect the face model and set the box around the head."
        )
    return Examined(count, cuts.found, _in_every_frame(faces, count, cuts.found, source.rate))


class _Cuts:
    """Where a scene begins: the colours of a frame are spread otherwise than those of the one before."""

    def __init__(self):
        self.found: list[int] = []
        self._before: Array | None = None

    def add(self, frame: Tensor, index: int) -> bool:
        small = frame[:: max(1, frame.shape[0] // 48), :: max(1, frame.shape[1] // 64)]
        small = pictures_of(small).reshape(-1, 3)
        bins = (small * CUT_BINS).long().clamp(0, CUT_BINS - 1) + torch.arange(3) * CUT_BINS
        spread = torch.bincount(bins.flatten(), minlength=3 * CUT_BINS).numpy() / bins.numel()
        distance = 0.0 if self._before is None else np.abs(spread - self._before).sum() / 2
        self._before = spread
        is_cut = distance > CUT_DISTANCE and index - (self.found or [-CUT_APART])[-1] >= CUT_APART
        if is_cut:
            self.found.append(index)
        return is_cut


class _Waiting:
    """Frames that wait for being looked at together."""

    def __init__(self, detect: Detect | None):
        self._detect = detect
        self._frames: list[Array] = []
        self._indices: list[int] = []

    def add(self, frame: Tensor, index: int) -> list[tuple[int, list[Array]]]:
        self._frames.append(levels_of(frame).numpy())
        self._indices.append(index)
        return self.finish() if len(self._frames) == DETECTED_AT_ONCE else []

    def finish(self) -> list[tuple[int, list[Array]]]:
        if not self._frames or self._detect is None:
            return []
        found = list(zip(self._indices, self._detect(self._frames), strict=True))
        self._frames, self._indices = [], []
        return found


class _Faces:
    """Which of the faces seen is the speaker's."""

    def __init__(self, source: FrameSource, inside: Sequence[float] | None):
        self._seen: list[tuple[int, list[Array]]] = []
        self._box = inside
        self._size = source.width, source.height

    def add(self, seen: list[tuple[int, list[Array]]]) -> None:
        self._seen += seen

    def tracked(self, cuts: Sequence[int]) -> dict[int, Array]:
        """One face for each frame looked at, where there is any."""
        borders, chosen = sorted(cuts), {}
        last: tuple[int, Array] | None = None
        for index, faces in self._seen:
            if last is not None and any(last[0] < cut <= index for cut in borders):
                last = None
            if faces:
                face = self._first(faces) if last is None else _nearest(faces, last[1])
                last = index, face
                chosen[index] = face
        return chosen

    def _first(self, faces: list[Array]) -> Array:
        inside = [face for face in faces if self._is_inside(face)]
        return max(inside or faces, key=lambda face: (face[2] - face[0]) * (face[3] - face[1]))

    def _is_inside(self, face: Array) -> bool:
        if self._box is None:
            return True
        left, top, right, bottom = self._box
        x, y = (face[0] + face[2]) / 2 / self._size[0], (face[1] + face[3]) / 2 / self._size[1]
        return left <= x <= right and top <= y <= bottom


def _nearest(faces: list[Array], face: Array) -> Array:
    return min(faces, key=lambda other: float(np.abs(face[:4] - other[:4]).sum()))


def _in_every_frame(faces: dict[int, Array], count: int, cuts: Sequence[int], rate: Number) -> Array:
    """Faces between those that were looked for; gone where none is known for half a second. ``[count, 9]``."""
    result = np.full((count, 9), np.nan)
    longest = max(1, int(LOST_SECONDS * exact(rate)))
    for start, stop in pairwise([0, *cuts, count]):
        known = [index for index in sorted(faces) if start <= index < stop]
        if not known:
            continue
        for before, after in pairwise(known):
            steps = np.arange(after - before)[:, None] / (after - before)
            between = faces[before] * (1 - steps) + faces[after] * steps
            if after - before > longest:
                between = np.where(np.arange(after - before)[:, None] < longest, faces[before], LOST)
            result[before:after] = between
        result[max(start, known[0] - longest) : known[0]] = faces[known[0]]
        result[known[-1] : min(stop, known[-1] + longest)] = faces[known[-1]]
    return result


def region_of(faces: Array, region: str) -> Array:
    """The boxes of what is made anew ``[n, 4]`` of faces ``[n, 9]``; the jaw that opens has room below the chin."""
    left, top, right, bottom, lips_left, lips_top, lips_right, lips_bottom, nose = faces.T
    wide, high = right - left, bottom - top
    if region == "mouth":
        middle, half = (lips_left + lips_right) / 2, 0.75 * (lips_right - lips_left)
        jaw = np.maximum(bottom, lips_bottom) + 0.05 * high
        return np.stack([middle - half, (nose + lips_top) / 2, middle + half, jaw], 1)
    if region == "lower face":
        return np.stack([left + 0.04 * wide, nose, right - 0.04 * wide, bottom + 0.15 * (bottom - nose)], 1)
    return np.stack([left - 0.05 * wide, top, right + 0.05 * wide, bottom + 0.1 * high], 1)


@dataclass(frozen=True)
class MouthPath:
    """The crop and the mask of every frame of the footage.

    regions: ``[n, 4]`` in pixels, NaN where nothing is made anew.  corners: ``[n, 2]``, left and top of the crop, whose
    sides are ``sides [n]``.  masks: those that were given, one for all frames or one for each; None: from the regions.
    starts: the frames at which another scene begins, or the face is there again.
    """

    regions: Array
    corners: Array
    sides: Array
    masks: Tensor | None
    starts: list[int]

    def crop(self, frame: int) -> tuple[int, int, int]:
        """Left, top and side in pixels."""
        left, top = self.corners[frame]
        return int(left), int(top), int(self.sides[frame])

    def is_masked(self, frame: int) -> bool:
        """Whether anything of the frame is made anew."""
        return not np.isnan(self.regions[frame, 0])

    def mask_key(self, frame: int) -> tuple:
        """Equal for frames whose masks are."""
        one_for_all = self.masks is None or len(self.masks) == 1
        return (*self.crop(frame), *self.regions[frame]) if one_for_all else (frame,)

    def mask(self, frame: int) -> Tensor:
        """What is made anew: ``[side, side]`` in 0..1 within the crop."""
        if self.masks is None:
            return (self._distance(frame) < 1).float()
        left, top, side = self.crop(frame)
        return self.masks[min(frame, len(self.masks) - 1), top : top + side, left : left + side].float().cpu()

    def feathered(self, frame: int) -> Tensor:
        """The mask fading out towards its edge, 0 where it is 0."""
        if self.masks is None:
            return ((1 - self._distance(frame)) / FEATHER).clamp(0, 1)
        mask = self.mask(frame)
        width = max(1, rounded(FEATHER * self._half(frame))) // 2 * 2 + 1
        padded = torch.nn.functional.pad(mask[None, None], [width // 2] * 4, mode="replicate")
        around = torch.nn.functional.avg_pool2d(padded, width, 1)[0, 0]
        return mask * (2 * around - 1).clamp(0, 1)

    def _half(self, frame: int) -> float:
        left, top, right, bottom = self.regions[frame]
        return min(right - left, bottom - top) / 2

    def _distance(self, frame: int) -> Tensor:
        """0 in the middle of the region, 1 on its edge: a box with round corners (a superellipse of degree 4)."""
        left, top, side = self.crop(frame)
        x0, y0, x1, y1 = self.regions[frame]
        pixels = torch.arange(side) + 0.5
        across = (pixels + (left - (x0 + x1) / 2)) / max(1.0, (x1 - x0) / 2)
        down = (pixels + (top - (y0 + y1) / 2)) / max(1.0, (y1 - y0) / 2)
        return (across**4 + (down**4)[:, None]).sqrt().sqrt()

    def lost(self) -> Iterator[tuple[int, int]]:
        """The stretches of frames in which nothing is made anew."""
        gone = np.isnan(self.regions[:, 0]).astype(int)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], gone, [0]])))
        yield from ((int(start), int(stop)) for start, stop in edges.reshape(-1, 2))


def path_of_faces(examined: Examined, faces: Array, region: str, source: FrameSource, crop: float) -> MouthPath:
    """The path around faces ``[n, 9]``: the crop's side is ``crop`` times the largest face's, from cut to cut."""
    return _path(region_of(faces, region), faces[:, :4], examined.cuts, source, crop, None)


def path_of_masks(examined: Examined, masks: Any, first: int, source: FrameSource) -> MouthPath:
    """The path of a MASK ``[m, height, width]`` of the footage's size: one for all frames, or one for each of its.

    first: the footage's frame at which the clip begins.  Raises SoundToVideoError for one of another size or number.
    """
    other = no_tensor(masks)
    if other:
        raise SoundToVideoError(f"mask is no MASK but {other}: connect one, or nothing.")
    if masks.ndim == 2:
        masks = masks[None]
    if masks.ndim != 3 or not len(masks):
        raise SoundToVideoError("mask is no MASK: connect one, or nothing.")
    if masks.shape[1:] != (source.height, source.width):
        raise SoundToVideoError(
            f"the mask is {masks.shape[2]} x {masks.shape[1]}, the footage {source.width} x {source.height}: make the "
            f"mask of a frame of the footage, or scale it to that size."
        )
    if len(masks) > 1:
        masks = masks[first : first + examined.count]
        if len(masks) < examined.count:
            raise SoundToVideoError(
                f"there are masks for {len(masks)} frames of the footage, and {examined.count} are shown: give one "
                f"mask, or one for each frame."
            )
    boxes = np.stack([_box_of(mask) for mask in masks])
    boxes = np.repeat(boxes, examined.count, axis=0) if len(boxes) == 1 else boxes
    return _path(boxes, boxes, examined.cuts, source, CROP_OF_MASK, masks)


def _box_of(mask: Tensor) -> Array:
    rows, columns = (torch.nonzero((mask > 0).any(dim=side)).flatten() for side in (1, 0))
    if not len(rows):
        return LOST[:4]
    return np.array([int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1], float)


def _path(
    regions: Array, around: Array, cuts: Sequence[int], source: FrameSource, crop: float, masks: Tensor | None
) -> MouthPath:
    """around: the boxes ``[n, 4]`` that the crop holds, as far as it fits into the picture."""
    count = len(regions)
    smooth, steady = (max(1, rounded(seconds * source.rate)) for seconds in (SMOOTH_SECONDS, STEADY_SECONDS))
    largest = min(source.width, source.height)
    sides = np.full(count, largest)
    corners = np.full((count, 2), [(source.width - largest) // 2, (source.height - largest) // 2])
    regions, starts = regions.copy(), []
    for start, stop in _stretches(np.isnan(around[:, 0]), cuts):
        boxes = _smoothed(around[start:stop], smooth)
        widest = float(np.max(np.stack([boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]])))
        side = min(largest, max(SMALLEST_CROP, rounded(widest * crop / 2) * 2))
        middles = np.stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]], 1) / 2
        room = np.array([source.width - side, source.height - side])
        corners[start:stop] = np.clip(np.round(middles - side / 2), 0, room)
        sides[start:stop] = side
        if masks is None:
            regions[start:stop] = _smoothed(regions[start:stop], steady)
        starts.append(start)
    starts = sorted({*starts, *cuts} - {0})
    return MouthPath(regions, corners.astype(int), sides, masks, starts)


def _stretches(is_lost: Array, cuts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """From where a face is seen to where it is lost, or to a cut."""
    for start, stop in pairwise([0, *cuts, len(is_lost)]):
        present = np.flatnonzero(~is_lost[start:stop]) + start
        for part in np.split(present, np.flatnonzero(np.diff(present) > 1) + 1):
            if len(part):
                yield int(part[0]), int(part[-1]) + 1


def _smoothed(boxes: Array, window: int) -> Array:
    """The mean over the ``window`` rows around each, fewer at the ends, as many on both sides."""
    total = np.concatenate([np.zeros((1, boxes.shape[1])), np.cumsum(boxes, axis=0)])
    index = np.arange(len(boxes))
    half = np.minimum(np.minimum(index, len(boxes) - 1 - index), window // 2)
    return (total[index + half + 1] - total[index - half]) / (2 * half + 1)[:, None]
