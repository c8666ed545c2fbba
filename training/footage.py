"""Draw the footage that the lip-sync quick start begins with: ``python -m training.footage`` (needs espeak-ng). CC0.

A face that training does not draw speaks for as long as the bundled voice, other words with another voice.
"""

from fractions import Fraction

import numpy as np
import torch

from .host import ROOT

# isort: split
from sound_to_video.core.audio import audio_from
from sound_to_video.core.clip.mux import write_clip

from .clips import curve_of
from .config import FRAME_RATE
from .drawing import LOOKS
from .sounds import RATE, fitted, mastered, read, speech

SEED, SIZE, VOICE_SEED = (20, 43), 192, (20, 3)


def main() -> None:
    seconds = len(read(str(ROOT / "media" / "sound_to_video_voice.wav"))) / RATE + 0.5
    random = np.random.default_rng(VOICE_SEED)
    samples = fitted(mastered(random, speech(random, seconds)), seconds)
    frames = LOOKS["face"](np.random.default_rng(SEED), SIZE).frames(
        curve_of("face", samples, round(seconds * FRAME_RATE))
    )
    sound = audio_from({"waveform": torch.from_numpy(samples)[None, None], "sample_rate": RATE})
    groups = (group.float() / 255 for group in torch.from_numpy(frames).split(8))
    write_clip(ROOT / "media" / "sound_to_video_speaker.mp4", groups, Fraction(FRAME_RATE), sound)


if __name__ == "__main__":
    main()
