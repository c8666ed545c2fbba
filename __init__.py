"""Sound to Video: ComfyUI nodes that turn an audio track into the source of motion."""

from comfy_api.latest import ComfyExtension, io

WEB_DIRECTORY = "./web"


class SoundToVideoExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        from .nodes import NODES

        return NODES


async def comfy_entrypoint() -> SoundToVideoExtension:
    return SoundToVideoExtension()
