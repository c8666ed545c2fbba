"""MiniMax H3: sound to video with the sound frozen in a joint latent of picture and sound, 24 frames a second.

How the model is driven is taken from the host's templates (video_minimax_h3_i2v, video_minimax_h3_r2v) and from its
``comfy_extras/nodes_minimax_h3.py``:

- 17k + 5 frames are 5k + 2 latents, which hold 1, 4, 4, 4, 4 frames in turns; the sound is 40 latents a second;
- the picture has a schedule of its own (shift 12), and so has the sound (3): the host's model keeps both;
- the prompt is encoded together with pictures, by the host's nodes: what they put into the conditioning stays there;
- pictures at frames of the clip are rows beside the noise (``minimax_keyframes``); references are rows before it.

A noise mask of 0 gives the whole sound to the model as it is. That takes the host's masks by token
(Comfy-Org/ComfyUI #15375, in 0.34): before them there was one noise level for a stream.

Beyond 15 s, the longest that the model was trained on, segments go on from each other by known frames, as Wan2GP has
it (deepbeepmeep/Wan2GP, models/minimax_h3: 1, 18, 35 or 52 of them): whole turns and the one frame that begins the
next. A segment begins with a turn of the clip, so that its latents are the clip's own. Its last latent is the next
segment's to make, but for the clip's end.
"""

from __future__ import annotations

import inspect
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import comfy.ldm.minimax.model
import comfy.model_base

from ...errors import SoundToVideoError
from ...plan import Plan, SegmentLength
from ...timeline import Number, exact, frame_time, rounded, seconds_in_words
from ..base import Family, NeededHost, SamplerInputs
from ..option import KEY_FRAMES as KEY_FRAMES_OPTION
from .clip_sampler import (
    GRID,
    KEY_FRAMES,
    LATENT_CHANNELS,
    SPATIAL_RATIO,
    MiniMaxH3ClipSampler,
    sampled_latents,
)
from .settings import H3
from .sound import H3_AUDIO_VAE, H3Sound, is_h3_audio_vae

if TYPE_CHECKING:
    from ...audio import Audio

TURN = len(GRID.cycle)
SHORTEST_TRAINED, LONGEST_TRAINED = 124, 362  # frames
AUDIO_VAE_FILE = "minimax_h3_audio_vae_fp32.safetensors"
OVERLAP_TURNS = 1  # and a frame: 18 frames
FROZEN_SOUND = "audio_denoise_mask"  # what the network is called with where the host has masks by token


class MiniMaxH3(Family):
    """overlap_turns: known at the start of a segment, and one frame more."""

    id = "minimax_h3"
    model_class = comfy.model_base.MiniMaxH3
    name = "MiniMax H3"
    versions = "FL2VA, Ref2VA"
    audio_input = "audio_vae"
    encoder_kind = H3_AUDIO_VAE
    encoder_advice = f"load {AUDIO_VAE_FILE} with core's Load VAE and connect it to audio_vae of Audio Encode"
    clip_sampler = MiniMaxH3ClipSampler
    frame_rate = Fraction(24)
    frame_rate_is_free = False
    grid = GRID
    size_multiple = 32
    options = (KEY_FRAMES_OPTION,)
    variants = (H3,)

    def __init__(self, overlap_turns: int = OVERLAP_TURNS):
        self._overlap_turns = overlap_turns
        self.segment_length = self._segment_length((LONGEST_TRAINED - GRID.frame_count(GRID.ending)) // sum(GRID.cycle))

    def recognises_audio_vae(self, audio_vae: Any) -> bool:
        return is_h3_audio_vae(audio_vae)

    def encode_with_vae(self, audio: Audio, audio_vae: Any) -> H3Sound:
        return H3Sound(audio, audio_vae)

    def needed_host(self, model: Any) -> NeededHost | None:
        return None if freezes_sound() else NeededHost(self.name, "0.34", "drives by a given sound")

    def segment_length_for(self, frame_rate: Fraction, segment_seconds: Number) -> SegmentLength:
        """Segments of ``segment_seconds``, the overlap included, to whole turns."""
        if not segment_seconds:
            return self.segment_length
        turns = rounded(exact(segment_seconds, "segment_seconds") * frame_rate / sum(GRID.cycle))
        return self._segment_length(max(turns, self._overlap_turns + 1))

    def _segment_length(self, turns: int) -> SegmentLength:
        overlap = TURN * self._overlap_turns + 1
        new_turns = turns - self._overlap_turns
        # A last segment is as long as the shortest that the model knows, where two can share that.
        shortest = GRID.latent_count(SHORTEST_TRAINED) - overlap
        minimum = max(1, min(shortest, TURN * (new_turns // 2)))
        return SegmentLength(TURN * turns + 1, overlap, minimum, TURN, spare=GRID.ending - 1)

    def check(self, inputs: SamplerInputs) -> None:
        self.check_size(inputs.width, inputs.height)
        self.check_encoder(inputs)
        transformer = inputs.model.get_model_object("diffusion_model")
        self.check_text(inputs, getattr(transformer.condition_proj, "in_features", None), transformer.hidden_size)
        self.check_vae(inputs, LATENT_CHANNELS, "load minimax_h3_video_vae_fp16.safetensors")
        self.check_reference(inputs)
        self.check_control_video(inputs)
        self.check_key_frames(inputs)
        check_key_frames(inputs)

    def check_plan(self, inputs: SamplerInputs, plan: Plan) -> list[str]:
        notes = []
        if inputs.audio_scale != 1:
            notes.append(f"audio_scale is not used: {self.name} hears the sound among the picture's own tokens.")
        if any(frame.strength < 1 for frame in self.key_frames(inputs)):
            notes.append(f"The strength of key frames is not used: {self.name} shows pictures as they are.")
        return notes

    def plan_notes(self, plan: Plan) -> list[str]:
        frames = [GRID.frame_count(sampled_latents(segment)) for segment in plan.segments]
        if min(frames) >= SHORTEST_TRAINED and max(frames) <= LONGEST_TRAINED:
            return []
        shortest, longest = (
            seconds_in_words(frame_time(count, plan.frame_rate), 1) for count in (SHORTEST_TRAINED, LONGEST_TRAINED)
        )
        return [f"{self.name} was trained on {shortest} to {longest} at a time: other segments may look worse."]


def freezes_sound() -> bool:
    """Whether this ComfyUI gives the sound to the model as it is where its noise mask says so."""
    return FROZEN_SOUND in inspect.signature(comfy.ldm.minimax.model.MiniMaxH3Model.forward).parameters


def check_key_frames(inputs: SamplerInputs) -> None:
    """Raise for key frames of another size than the clip's: the host's node was told another width or height."""
    size = (inputs.width, inputs.height)
    for name in ("positive", "negative"):
        for entry in getattr(inputs, name):
            for frame in entry[1].get(KEY_FRAMES) or []:
                latent = frame.get("latent")
                made = size if latent is None else tuple(side * SPATIAL_RATIO for side in latent.shape[:2:-1])
                if made != size:
                    raise SoundToVideoError(
                        f"{name} holds a picture of {made[0]} x {made[1]} and the clip is {size[0]} x {size[1]}: "
                        f"set the same width and height in the node that made it."
                    )
