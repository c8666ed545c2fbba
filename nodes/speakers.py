"""Speakers: two to four voices, each with its place in the picture, as one sound."""

from comfy_api.latest import io

from ..core.audio import audio_from
from ..core.audio.speakers import MODES, TOGETHER, Speaker, speakers_sound
from ..core.errors import SoundToVideoError
from ..core.frames.regions import Region, box, columns, painted
from ._errors import named_errors

COUNT = 4
SIDE_BY_SIDE, BOXES = PLACES = ("side by side", "boxes")
EDGES = ("left", "top", "right", "bottom")


class Speakers(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        numbers = range(1, COUNT + 1)
        return io.Schema(
            node_id="SoundToVideo_Speakers",
            display_name="Speakers",
            category="sound to video",
            description=(
                "Two to four people speak in one picture, together or in turns. The sound that comes out is their "
                "mix, and knows who says what where: connect it to Audio Encode. For InfiniteTalk; other models hear "
                "the mix."
            ),
            search_aliases=["two speakers", "dialogue", "conversation", "multi speaker", "infinitetalk", "multitalk"],
            inputs=[
                *[
                    io.Audio.Input(f"audio_{number}", optional=number > 2, tooltip="What this speaker says, alone.")
                    for number in numbers
                ],
                *[
                    io.Mask.Input(
                        f"mask_{number}",
                        optional=True,
                        tooltip="Where this speaker is in the reference image; in place of the places below.",
                    )
                    for number in numbers
                ],
                io.Combo.Input(
                    "mode",
                    options=list(MODES),
                    default=TOGETHER,
                    tooltip="Whether all speak from the start on, or each once the one before has ended.",
                ),
                io.Combo.Input(
                    "places",
                    options=list(PLACES),
                    default=SIDE_BY_SIDE,
                    tooltip="Equal columns of the picture from left to right, or the boxes below.",
                ),
                *[
                    io.Float.Input(
                        f"start_seconds_{number}",
                        default=0.0,
                        min=0.0,
                        max=86400.0,
                        step=0.1,
                        round=0.001,
                        tooltip="Silence before this speaker: from the start on; in turns, after the one before.",
                    )
                    for number in numbers
                ],
                *[cls._edge(edge, number, value) for number in numbers for edge, value in cls._box(number)],
            ],
            outputs=[io.Audio.Output(tooltip="The mix, as the clip carries it, with what Audio Encode needs to know.")],
        )

    @staticmethod
    def _box(number: int) -> list[tuple[str, float]]:
        """The edges at which a box begins: the left half and the right half, for two speakers."""
        half = columns(2)[(number - 1) % 2]
        return [(edge, getattr(half, edge)) for edge in EDGES]

    @staticmethod
    def _edge(edge: str, number: int, default: float) -> io.Float.Input:
        return io.Float.Input(
            f"{edge}_{number}",
            default=default,
            min=0.0,
            max=1.0,
            step=0.01,
            round=0.001,
            advanced=True,
            tooltip=f"Of speaker {number}'s box in the reference image: 0 is left or top, 1 right or bottom.",
        )

    @classmethod
    @named_errors("Speakers")
    def execute(cls, mode, places, **inputs) -> io.NodeOutput:
        for name, value, choices in (("mode", mode, MODES), ("places", places, PLACES)):
            if value not in choices:
                raise SoundToVideoError(f"there is no {name} {value!r}: choose {' or '.join(choices)}.")
        speaking = [number for number in range(1, COUNT + 1) if inputs.get(f"audio_{number}") is not None]
        if len(speaking) < 2:
            raise SoundToVideoError("there are fewer than two sounds: connect one for each speaker.")
        speakers = [
            Speaker(
                audio_from(inputs[f"audio_{number}"]),
                cls._region(inputs, number, columns(len(speaking))[place] if places == SIDE_BY_SIDE else None),
                inputs[f"start_seconds_{number}"],
            )
            for place, number in enumerate(speaking)
        ]
        return io.NodeOutput(speakers_sound(speakers, mode))

    @staticmethod
    def _region(inputs: dict, number: int, column: Region | None) -> Region:
        mask = inputs.get(f"mask_{number}")
        if mask is not None:
            return painted(mask, f"mask_{number}")
        return column or box([inputs[f"{edge}_{number}"] for edge in EDGES], f"speaker {number}")
