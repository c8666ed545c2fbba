"""A sound that drives the picture while the clip carries another: isolated vocals under the full mix."""

from __future__ import annotations

from fractions import Fraction

from ..audio import Audio
from ..errors import SoundToVideoError
from ..timeline import sample_index, seconds_in_words

ALIKE = Fraction(1, 20)  # seconds; separators and lossy files differ by less, at the end


def driving_sound(driving: Audio, audio: Audio) -> Audio:
    """What the model is to hear in place of ``audio``: ``driving``, no longer than ``audio``.

    Both begin together. At the end they may differ by ``ALIKE`` seconds: what is over is cut off, and where something
    is missing the model hears silence. Raises SoundToVideoError for other lengths.

    Nothing is done to its loudness: the official code of Wan2.2-S2V brings the sound to mean 0 and deviation 1
    (Wav2Vec2Processor in wan/modules/s2v/audio_encoder.py), which the host's encoder does too, and that of LTX-2 takes
    it as it is (ltx_pipelines/a2vid_two_stage.py).
    """
    if abs(driving.duration - audio.duration) > ALIKE:
        raise SoundToVideoError(
            f"driving_audio lasts {seconds_in_words(driving.duration)} and audio {seconds_in_words(audio.duration)}: "
            f"they must be equally long. Trim the song first, and make the driving sound out of what is left."
        )
    stop = max(1, sample_index(audio.duration, driving.sample_rate))
    return driving.trimmed(0, stop) if driving.sample_count > stop else driving
