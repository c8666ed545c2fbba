"""S2V Sampler: a reference image and an audio track to a clip."""

from comfy_api.latest import io

from ..core.errors import SoundToVideoError
from ..core.frames.images import IMAGE_FITS
from ._errors import named_errors
from ._sampler import IMAGE_FIT_TOOLTIP, SAMPLER_HIDDEN, SAMPLER_OUTPUTS, run_sampler, sampler_inputs


class S2VSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoundToVideo_S2VSampler",
            display_name="S2V Sampler",
            category="sound to video",
            description=(
                "Sound to video: the reference image gives the look, the audio gives the timing. "
                "The clip is as long as the audio; long audio is sampled in segments that join."
            ),
            search_aliases=["sound to video", "talking head", "lip sync", "speech to video", "wan s2v", "ltx audio"],
            inputs=sampler_inputs(
                [
                    io.Image.Input(
                        "reference_image",
                        optional=True,
                        tooltip="The look of the clip. Several pictures: one for each shot of a Prompt Timeline.",
                    )
                ],
                [io.Combo.Input("image_fit", options=list(IMAGE_FITS), default="crop", tooltip=IMAGE_FIT_TOOLTIP)],
                [
                    io.Float.Input(
                        "image_strength",
                        default=0.7,
                        min=0.0,
                        max=1.0,
                        step=0.05,
                        round=0.01,
                        optional=True,
                        advanced=True,
                        tooltip=(
                            "LTX-2: how firmly the clip begins with the reference image. 1 keeps it as it is; lower "
                            "lets it move, lips too. The second stage always takes it whole."
                        ),
                    ),
                    io.Int.Input(
                        "image_compression",
                        default=18,
                        min=0,
                        max=51,
                        optional=True,
                        advanced=True,
                        tooltip=(
                            "LTX-2: H.264 quality (CRF) at which the reference image is compressed first. The model "
                            "was trained on video frames; an image that is too clean stays still. 0 is off."
                        ),
                    ),
                ],
            ),
            outputs=SAMPLER_OUTPUTS,
            hidden=SAMPLER_HIDDEN,
        )

    @classmethod
    @named_errors("S2V Sampler")
    def execute(cls, **inputs) -> io.NodeOutput:
        if inputs.get("reference_image") is None:
            raise SoundToVideoError("connect a reference image, or use the A2V Sampler, which needs none.")
        return run_sampler(cls.hidden, inputs)
