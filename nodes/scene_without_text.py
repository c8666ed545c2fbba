"""Scene Without Text: a conditioning for models that come without a text encoder."""

from comfy_api.latest import io

from ..core.scene.no_text import SCENES, scene_conditioning
from ._errors import named_errors


class SceneWithoutText(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoundToVideo_SceneWithoutText",
            display_name="Scene Without Text",
            category="sound to video",
            description=(
                "Takes the place of a prompt for the small model that comes with this pack, which has no text encoder. "
                "Goes into positive and negative of S2V Sampler or A2V Sampler."
            ),
            search_aliases=["small model", "no text encoder", "conditioning"],
            inputs=[
                io.Combo.Input(
                    "scene",
                    options=list(SCENES),
                    default="any",
                    tooltip="What is to be seen. any: what the reference image or the sound suggests.",
                )
            ],
            outputs=[io.Conditioning.Output()],
        )

    @classmethod
    @named_errors("Scene Without Text")
    def execute(cls, scene) -> io.NodeOutput:
        return io.NodeOutput(scene_conditioning(scene))
