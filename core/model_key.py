"""What a MODEL is, as a key: the same after a restart, another after any change of weights or patches."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import comfy.utils
import torch
from comfy.cli_args import args
from comfy.ldm.modules.attention import optimized_attention

from .segment_store import content_key

SAMPLED_NUMBERS = 16  # of each tensor: enough to tell two checkpoints apart, little enough to read in a moment


def model_key(model: Any, graph: Any) -> str:
    """Key of the host's MODEL.

    graph: from ``upstream_graph``: patches are functions, which only the nodes that made them can tell apart.
    """
    # What the host patches into the loaded model reads differently then, so that the patches speak for it.
    replaced = (*model.object_patches, *model.object_patches_backup, "model_sampling.")
    weights = [
        [name, tuple(tensor.shape) if name in model.patches else _weight(model, name, tensor)]
        for name, tensor in model.model.state_dict().items()
        if not name.startswith(replaced)
    ]
    patches = [[name, _patch_values(patch)] for name, patch in sorted(model.patches.items())]
    sampling = model.get_model_object("model_sampling")
    settings = [
        sorted(model.object_patches.items(), key=itemgetter(0)),
        [type(sampling).__mro__[1].__name__, sampling.state_dict()],
        model.model_options,
        str(model.load_device),
        str(model.model.get_dtype_inference()),
        str(model.model.manual_cast_dtype),
        optimized_attention.__name__,
        sorted(map(str, args.fast or [])),
    ]
    return content_key(type(model.model).__name__, weights, patches, settings, graph)


def _weight(model: Any, name: str, tensor: torch.Tensor) -> list[Any]:
    """A weight as it is in the model before the host patches or casts it in place."""
    if name in model.backup:
        tensor = model.backup[name].weight
    path, _, parameter = name.rpartition(".")
    module = comfy.utils.get_attr(model.model, path) if path else model.model
    return _sampled(tensor, getattr(module, f"{parameter}_comfy_model_dtype", None))


def upstream_graph(prompt: Any, node_id: str | None, input_names: tuple[str, ...]) -> Any:
    """The nodes that some inputs of a node come from: class, own inputs, and theirs in turn; no node ids.

    prompt: the host's DynamicPrompt.  None where there is no graph (a call from Python).
    """
    if prompt is None or node_id is None:
        return None
    known: dict[str, str] = {}
    inputs = prompt.get_node(node_id)["inputs"]
    return [_source(prompt, inputs.get(name), known) for name in input_names]


def _source(prompt: Any, value: Any, known: dict[str, str]) -> Any:
    """An input's own value, or the output slot and the key of the node that it comes from."""
    if not (isinstance(value, list) and len(value) == 2 and prompt.has_node(str(value[0]))):
        return value
    node_id = str(value[0])
    if node_id not in known:
        node = prompt.get_node(node_id)
        inputs = {name: _source(prompt, own, known) for name, own in node["inputs"].items()}
        known[node_id] = content_key(node["class_type"], inputs)
    return [value[1], known[node_id]]


def _sampled(tensor: torch.Tensor, dtype: torch.dtype | None = None) -> list[Any]:
    """Shape, and some of the numbers as they read in ``dtype`` (None: the tensor's own)."""
    flat = tensor.detach().reshape(-1)
    step = max(1, flat.numel() // SAMPLED_NUMBERS)
    return [tuple(tensor.shape), flat[::step][: SAMPLED_NUMBERS + 1].to(dtype or tensor.dtype).float().cpu()]


def _patch_values(value: Any) -> Any:
    """A LoRA or other weight patch with its tensors sampled."""
    if isinstance(value, torch.Tensor):
        return _sampled(value)
    if isinstance(value, list | tuple):
        return [_patch_values(item) for item in value]
    weights = getattr(value, "weights", None)
    return [type(value).__name__, _patch_values(weights)] if weights is not None else value
