"""A real ComfyUI server with a base directory of its own (standard library only)."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from farm.server import ComfyProcess, ServerError, link_folder

from .host import PACK_FOLDER, ROOT

__all__ = ["ComfyServer", "ServerError", "link_folder"]

KINDS = (
    *("checkpoints", "diffusion_models", "vae", "audio_encoders", "model_patches"),
    *("latent_upscale_models", "text_encoders", "loras"),
)


class ComfyServer(ComfyProcess):
    """ComfyUI on 127.0.0.1 with the pack linked in; a context manager.

    host: the folder with ComfyUI's ``main.py``; nothing of it is changed.
    base_directory: input, output, temp, user, custom_nodes and models of this server; made when absent.
    model_folders: more folders laid out as ComfyUI's ``models``; earlier ones win.
    python: the interpreter that has the host's requirements.
    arguments: more arguments of ``main.py``, such as ``("--cpu",)``.
    listen: address to listen on.
    environment: variables added to this process's own.
    link_pack: False starts the bare host.
    """

    def __init__(
        self,
        host: Path,
        base_directory: Path,
        model_folders: Sequence[Path] = (),
        python: str = sys.executable,
        arguments: Sequence[str] = ("--cpu",),
        listen: str = "127.0.0.1",
        environment: dict[str, str] | None = None,
        link_pack: bool = True,
    ):
        super().__init__(host, base_directory, python, arguments, listen, environment)
        self.base_directory = base_directory
        self.model_folders = model_folders
        self.link_pack = link_pack

    @property
    def input_directory(self) -> Path:
        return self.base_directory / "input"

    @property
    def output_directory(self) -> Path:
        return self.base_directory / "output"

    @property
    def models_directory(self) -> Path:
        """This server's own models folder: a file put in its subfolders is offered by the loader nodes at once."""
        return self.base_directory / "models"

    def start(self, waiting: Callable[[float], None] = lambda seconds: None) -> "ComfyServer":
        for folder in ("input", "output", "temp", "user", "custom_nodes", *(f"models/{kind}" for kind in KINDS)):
            (self.base_directory / folder).mkdir(parents=True, exist_ok=True)
        if self.link_pack:
            link_folder(ROOT, self.base_directory / "custom_nodes" / PACK_FOLDER)
        super().start(waiting)
        return self

    def place_arguments(self) -> list[str]:
        base = ["--base-directory", str(self.base_directory), *self.database_argument(self.base_directory / "user")]
        folders = {
            f"folder_{index}": {"base_path": str(folder), **{kind: f"{kind}/" for kind in KINDS}}
            for index, folder in enumerate(self.model_folders)
        }
        return base + (self.search_path_arguments(folders) if folders else [])
