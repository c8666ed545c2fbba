"""Sound to Video: ComfyUI nodes that turn an audio track into the source of motion."""

from pathlib import Path

import folder_paths
from comfy_api.latest import ComfyExtension, io

WEB_DIRECTORY = "./web"


class SoundToVideoExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        from .nodes import NODES

        return NODES


async def comfy_entrypoint() -> SoundToVideoExtension:
    from .core.samples import install_samples
    from .server import register_routes
    from .server.sweeping import sweep_leftovers

    # the small model is found where it lies; a user's own folders come first
    folder_paths.add_model_folder_path("checkpoints", str(Path(__file__).parent / "models"))
    install_samples(folder_paths.get_input_directory())
    register_routes()
    sweep_leftovers()
    return SoundToVideoExtension()
