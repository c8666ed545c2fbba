"""The host in this process, as ``main.py`` starts it on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sound_to_video.benchmarks.process import import_all


def start(tiny: bool, keep_on_card: bool = True) -> Path:
    """Make the host importable; the folder for what is written on the way.

    tiny: on the CPU.  keep_on_card: the host's --highvram, so that weights that are drawn on the card stay there.
    """
    folder = import_all(cuda=not tiny)
    from comfy.cli_args import args

    args.highvram = keep_on_card and not tiny
    return folder


def start_with_dynamic_vram() -> Path | None:
    """As ``start``, with DynamicVRAM as ``main.py`` turns it on; None where it is not to be had."""
    import comfy_aimdo.control

    # Before the host is imported: its modules take hold of the library when they are.
    if not comfy_aimdo.control.init():
        return None
    folder = start(tiny=False, keep_on_card=False)
    import comfy.memory_management
    import comfy.model_management
    import comfy.model_patcher

    devices = comfy.model_management.get_all_torch_devices()
    if any(device.type != "cuda" for device in devices):
        return None
    if not comfy_aimdo.control.init_devices([device.index or 0 for device in devices]):
        return None
    comfy_aimdo.control.set_log_warning()
    comfy.model_patcher.CoreModelPatcher = comfy.model_patcher.ModelPatcherDynamic
    comfy.memory_management.aimdo_enabled = True
    return folder


@contextmanager
def without_dynamic_vram() -> Iterator[None]:
    """While a network is made to be written to a file: under DynamicVRAM the host's layers begin without weights."""
    import comfy.memory_management

    on, comfy.memory_management.aimdo_enabled = comfy.memory_management.aimdo_enabled, False
    try:
        yield
    finally:
        comfy.memory_management.aimdo_enabled = on
