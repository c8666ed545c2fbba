"""One more prediction of the network in a step, for guidance that compares the main one with another."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import comfy.samplers
import torch

from .network_patches import AROUND_BATCH, AROUND_NETWORK, options_with_wrappers


def predicted_again(
    args: dict[str, Any],
    condition: list[dict[str, Any]],
    name: str,
    around_network: Callable[..., Any] | None = None,
    **transformer_options: Any,
) -> torch.Tensor:
    """The clean latent that the network predicts for a condition, inside of a post-CFG function of the host.

    args: what the function is given.  condition: its ``cond`` or ``uncond``, as it stands or with other values.
    name: of what is different this time.  around_network: a wrapper around the network for this pass alone.

    The condition gets an id of its own, the same at every step: caches (EasyCache) keep what they know of a condition
    under its id, and would give back the main prediction.
    """
    condition = [{**entry, "uuid": uuid.uuid5(entry["uuid"], name)} for entry in condition]
    cache = args["model_options"].get("transformer_options", {}).get("easycache")
    wrappers: dict[str, Callable[..., Any]] = {
        AROUND_BATCH: _SkippedAlike(bool(getattr(cache, "skip_current_step", False)))
    }
    if around_network is not None:
        wrappers[AROUND_NETWORK] = around_network
    options = options_with_wrappers(args["model_options"], wrappers, **transformer_options)
    return comfy.samplers.calc_cond_batch(args["model"], [condition], args["input"], args["sigma"], options)[0]


@dataclass(frozen=True)
class _SkippedAlike:
    """Around a batch: a pass that is compared with the main one is taken from the host's EasyCache when that one was.

    EasyCache (comfy_extras/nodes_easycache.py) forgets with every batch that the step is to be skipped.
    """

    skipped: bool

    def __call__(self, executor: Any, *args: Any, **kwargs: Any) -> Any:
        cache = args[-1]["transformer_options"].get("easycache")
        if cache is not None:
            cache.skip_current_step = self.skipped
        return executor(*args, **kwargs)
