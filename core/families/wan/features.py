"""What Wan2.2-S2V hears: every layer of wav2vec2, brought to 30 a second and from there to the video's rate.

As the official ``audio_encoder.py`` (Wan-Video/Wan2.2, ``video_rate``) and the host's ``wan_sound_to_video`` have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch
from comfy_extras.nodes_wan import linear_interpolation

from ...features.encoded import LAYER_RATE
from ...features.layout import FeatureLayout, Interpolation

INTERMEDIATE_RATE = 30  # features a second between encoder and video


@dataclass(frozen=True)
class WanS2VLayout(FeatureLayout):
    """One feature per layer and frame: ``[layers, frames, width]``."""

    rate: Fraction = Fraction(16)

    def features(self, layers: torch.Tensor, sample_count: int) -> torch.Tensor:
        """The host's interpolation to the intermediate rate, then the nearest feature of each frame.

        Once for the whole clip, where the host does it again for every segment.
        """
        count = _intermediate_count(layers.shape[1])
        if count < 1:
            return layers[:, :1]
        intermediate = linear_interpolation(layers, input_fps=LAYER_RATE, output_fps=INTERMEDIATE_RATE)
        return intermediate[:, self._intermediate_indices(count)]

    def in_pieces(self, layer_count: int, sample_count: int) -> Interpolation:
        count = _intermediate_count(layer_count)
        positions = torch.tensor(self._intermediate_indices(count), dtype=torch.float64)
        return Interpolation(positions * ((layer_count - 1) / max(1, count - 1)))  # ends on ends, as align_corners

    def _intermediate_indices(self, count: int) -> list[int]:
        """Of ``count`` features at the intermediate rate, the one for each video frame that they reach.

        Rounds halves to even, as numpy does in the host's ``get_sample_indices`` (comfy_extras/nodes_wan.py).
        """
        step = INTERMEDIATE_RATE / self.rate
        indices = []
        while (index := round(len(indices) * step)) < count:
            indices.append(index)
        return indices


def _intermediate_count(layer_count: int) -> int:
    """Features at the intermediate rate for ``layer_count`` features at the encoder's, as the host truncates them."""
    return int(layer_count / float(LAYER_RATE) * INTERMEDIATE_RATE)
