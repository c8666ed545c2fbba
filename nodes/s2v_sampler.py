"""S2V Sampler: a reference image and an audio track to a clip."""

from comfy_api.latest import io

from ..core.images import IMAGE_FITS
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
                [io.Image.Input("reference_image", tooltip="The look of the clip: its first picture counts.")],
                [io.Combo.Input("image_fit", options=list(IMAGE_FITS), default="crop", tooltip=IMAGE_FIT_TOOLTIP)],
            ),
            outputs=SAMPLER_OUTPUTS,
            hidden=SAMPLER_HIDDEN,
        )

    @classmethod
    @named_errors("S2V Sampler")
    def execute(cls, **inputs) -> io.NodeOutput:
        return run_sampler(cls.hidden, inputs)
