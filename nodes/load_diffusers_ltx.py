"""Load LTX-2 (diffusers): a folder of the diffusers library as ComfyUI's own MODEL and VAEs."""

import contextlib
import os
from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..core.errors import SoundToVideoError, is_encodable
from ..core.families.ltx.diffusers import is_ltx2_folder, load_ltx2_folder
from ._errors import named_errors


class LoadDiffusersLTX(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoundToVideo_LoadDiffusersLTX",
            display_name="Load LTX-2 (diffusers)",
            category="sound to video",
            description=(
                "Loads LTX-2, LTX-2.3 or LTX-2.5 from a folder in models/diffusers, as the diffusers library keeps it: "
                "model, video VAE and audio VAE. Sharded files are read as they are; the library itself is not needed."
            ),
            search_aliases=["diffusers", "ltx-2", "sharded safetensors", "huggingface folder"],
            inputs=[
                io.Combo.Input(
                    "folder",
                    options=sorted(ltx2_folders()),
                    tooltip="A folder in models/diffusers that holds transformer, connectors, vae, audio_vae, vocoder.",
                )
            ],
            outputs=[
                io.Model.Output(display_name="model"),
                io.Vae.Output(display_name="vae"),
                io.Vae.Output(display_name="audio_vae"),
            ],
        )

    @classmethod
    @named_errors("Load LTX-2 (diffusers)")
    def execute(cls, folder: str) -> io.NodeOutput:
        folders = ltx2_folders()
        if folder not in folders:
            raise SoundToVideoError(f"there is no folder {folder} with LTX-2 in models/diffusers.")
        return io.NodeOutput(*load_ltx2_folder(folders[folder]))


def ltx2_folders() -> dict[str, Path]:
    """The folders of models/diffusers that hold LTX-2, by name; what cannot be looked into holds none."""
    found: dict[str, Path] = {}
    for root in reversed(folder_paths.get_folder_paths("diffusers")):
        with contextlib.suppress(OSError):
            names = [name for name in os.listdir(root) if is_encodable(name)]
            found.update({name: Path(root, name) for name in names if is_ltx2_folder(Path(root, name))})
    return found
