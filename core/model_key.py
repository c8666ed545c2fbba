"""What a MODEL is, as a key: the same after a restart, another after any change of weights or patches."""

from __future__ import annotations

from typing import Any

import torch

from .segment_store import content_key

SAMPLED_NUMBERS = 16  # of each tensor: enough to tell two checkpoints apart, little enough to read in a moment


def model_key(model: Any, graph: Any) -> str:
    """Key of the host's MODEL.

    graph: from ``upstream_graph``: patches are functions, which only the nodes that made them can tell apart.
    """
    # What the host patches into the loaded model reads differently then, so that the patches speak for it.
    replaced = (*model.object_patches, *model.object_patches_backup, "model_sampling.")
    weights = [
        [name, tuple(tensor.shape) if name in model.patches else _sampled(tensor)]
        for name, tensor in model.model.state_dict().items()
        if not name.startswith(replaced)
    ]
    patches = [[name, _patch_values(patch)] for name, patch in sorted(model.patches.items())]
    sampling = model.get_model_object("model_sampling")
    settings = [
        sorted(model.object_patches),
        [type(sampling).__mro__[1].__name__, sampling.state_dict()],
        model.model_options,
        str(model.load_device),
    ]
    return content_key(type(model.model).__name__, weights, patches, settings, graph)


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


def _sampled(tensor: torch.Tensor) -> list[Any]:
    flat = tensor.detach().reshape(-1)
    step = max(1, flat.numel() // SAMPLED_NUMBERS)
    return [tuple(tensor.shape), str(tensor.dtype), flat[::step][: SAMPLED_NUMBERS + 1].float().cpu()]


def _patch_values(value: Any) -> Any:
    """A LoRA or other weight patch with its tensors sampled."""
    if isinstance(value, torch.Tensor):
        return _sampled(value)
    if isinstance(value, list | tuple):
        return [_patch_values(item) for item in value]
    weights = getattr(value, "weights", None)
    return [type(value).__name__, _patch_values(weights)] if weights is not None else value
