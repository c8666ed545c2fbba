"""S2V Sampler: a reference image and an audio track to a clip."""

from comfy_api.latest import io

from ..core.errors import SoundToVideoError
from ._errors import named_errors
from ._sampler import SAMPLER_HIDDEN, SAMPLER_OUTPUTS, run_sampler, sampler_inputs


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
            inputs=sampler_inputs(of_picture=True),
            outputs=SAMPLER_OUTPUTS,
            hidden=SAMPLER_HIDDEN,
        )

    @classmethod
    @named_errors("S2V Sampler")
    def execute(cls, **inputs) -> io.NodeOutput:
        if inputs.get("reference_image") is None:
            raise SoundToVideoError("connect a reference image, or use the A2V Sampler, which needs none.")
        return run_sampler(cls.hidden, inputs)
