"""A2V Sampler: an audio track alone to a clip."""

from comfy_api.latest import io

from ._errors import named_errors
from ._sampler import SAMPLER_HIDDEN, SAMPLER_OUTPUTS, run_sampler, sampler_inputs


class A2VSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoundToVideo_A2VSampler",
            display_name="A2V Sampler",
            category="sound to video",
            description=(
                "Audio to video: the audio drives both motion and picture, the prompt sets the scene; there is no "
                "image. The clip is as long as the audio; long audio is sampled in segments that join."
            ),
            search_aliases=["audio to video", "music video", "visualizer", "ltx audio", "wan s2v without image"],
            inputs=sampler_inputs(of_picture=False),
            outputs=SAMPLER_OUTPUTS,
            hidden=SAMPLER_HIDDEN,
        )

    @classmethod
    @named_errors("A2V Sampler")
    def execute(cls, **inputs) -> io.NodeOutput:
        return run_sampler(cls.hidden, inputs)
