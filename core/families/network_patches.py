"""Patches of a network for the time of one call, on whichever copy of it runs.

An object patch of the host (``ModelPatcher.add_object_patch``) is made from the modules of one network. The host puts
it on copies too (``clone(model_override=...)``: one network for each device, or one without dynamic memory), and they
would then run the first one's weights. A wrapper around the network's own call is told which copy runs
(``executor.class_obj``). A wrapper here is a frozen dataclass, so that runs are told apart by its fields.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import comfy.patcher_extension
import torch

Forward = Callable[..., Any]
AROUND_NETWORK = comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL
AROUND_BATCH = comfy.patcher_extension.WrappersMP.CALC_COND_BATCH


def with_wrapper(model: Any, wrapper: Callable[..., Any], around: str = AROUND_NETWORK) -> Any:
    """A clone of the host's MODEL with ``wrapper(executor, *args, **kwargs)`` around every call of its network.

    around: another of the host's places for wrappers (``comfy.patcher_extension.WrappersMP``).
    """
    patched = model.clone()
    patched.model_options = options_with_wrappers(patched.model_options, {around: wrapper})
    return patched


def options_with_wrappers(
    model_options: dict[str, Any], wrappers: dict[str, Callable[..., Any]], **transformer_options: Any
) -> dict[str, Any]:
    """A copy of the host's model options with wrappers, by type, inside those that are there, and more options."""
    options = model_options.copy()
    inner = {**options.get("transformer_options", {}), **transformer_options}
    inner["wrappers"] = comfy.patcher_extension.copy_nested_dicts(inner.get("wrappers", {}))
    for kind, wrapper in wrappers.items():
        of_kind = inner["wrappers"].setdefault(kind, {})
        of_kind["sound_to_video"] = [*of_kind.pop("sound_to_video", []), wrapper]  # behind all others: innermost
    options["transformer_options"] = inner
    return options


@contextmanager
def forward_replaced(modules: Iterable[torch.nn.Module], replacement: Callable[[Forward], Forward]) -> Iterator[None]:
    """Inside, ``forward`` of each module is ``replacement(forward)``; another pack's patch on it stays in force."""
    with ExitStack() as restored:
        for module in modules:
            own = vars(module).get("forward")  # a patch on this very module, in front of its class's
            before = module.forward
            module.forward = replacement(before)
            if own is None:
                restored.callback(delattr, module, "forward")
            else:
                restored.callback(setattr, module, "forward", own)
        yield


@dataclass(frozen=True)
class ScaledAudio(ABC):
    """Around the network: what the sound adds to the picture, multiplied by ``scale``."""

    scale: float

    @abstractmethod
    def listeners(self, network: Any) -> Iterable[torch.nn.Module]:
        """The modules whose output is what the sound adds."""

    def scaled(self, forward: Forward) -> Forward:
        """The ``forward`` of one of them with its output multiplied."""
        return lambda *args, **kwargs: forward(*args, **kwargs) * self.scale

    def on(self, model: Any) -> Any:
        """A clone of the host's MODEL with it in force; the MODEL itself for a scale of 1."""
        return model if self.scale == 1 else with_wrapper(model, self)

    def __call__(self, executor: Any, *args: Any, **kwargs: Any) -> Any:
        with forward_replaced(self.listeners(executor.class_obj), self.scaled):
            return executor(*args, **kwargs)
