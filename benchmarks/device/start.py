"""The host in this process, as ``main.py`` starts it on a GPU."""

from __future__ import annotations

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


def turn_on_dynamic_vram() -> bool:
    """What ``main.py`` of the host does for DynamicVRAM; before any model is made. False: not to be had here."""
    import comfy.model_management
    import comfy_aimdo.control

    devices = comfy.model_management.get_all_torch_devices()
    if any(device.type != "cuda" for device in devices) or not comfy_aimdo.control.init():
        return False
    if not comfy_aimdo.control.init_devices([device.index or 0 for device in devices]):
        return False
    import comfy.memory_management
    import comfy.model_patcher

    comfy.model_patcher.CoreModelPatcher = comfy.model_patcher.ModelPatcherDynamic
    comfy.memory_management.aimdo_enabled = True
    return True
