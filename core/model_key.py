"""What a MODEL is, as a key: the same after a restart, another after any change of weights or patches."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import torch
from comfy.cli_args import args
from comfy.ldm.modules.attention import optimized_attention
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from .segment_store import content_key

SAMPLED_NUMBERS = 16  # of each tensor, in a row: one page of a file that is read when touched


def model_key(model: Any, graph: Any) -> str:
    """Key of the host's MODEL.

    graph: from ``upstream_graph``: patches are functions, which only the nodes that made them can tell apart.
    """
    samples = _Samples()
    for name, tensor, dtype in _weights(model):
        samples.add(name, tensor, dtype)
    patches = [[name, _patch_values(patch, samples)] for name, patch in sorted(model.patches.items())]
    settings = [
        sorted(model.object_patches.items(), key=itemgetter(0)),
        type(model.get_model_object("model_sampling")).__mro__[1].__name__,
        model.model_options,
        str(model.load_device),
        str(model.model.get_dtype_inference()),
        str(model.model.manual_cast_dtype),
        optimized_attention.__name__,
        sorted(map(str, args.fast or [])),
    ]
    return content_key(type(model.model).__name__, samples.labels, samples.numbers(), patches, settings, graph)


def _weights(model: Any) -> Iterator[tuple[str, torch.Tensor, torch.dtype | None]]:
    """Every parameter and buffer by name, as it is before the host patches or casts it, and what it is cast to.

    Not from ``state_dict()``: layers may answer it with anything (ComfyUI-GGUF: empty tensors, one of them made up).
    Modules that object patches of another clone replace for now are read as they are in this one.
    """
    replaced = {**model.object_patches_backup, **model.object_patches}
    originals = {
        **model.backup_buffers,
        **{name: entry.weight for name, entry in model.backup.items()},
        **{name: entry[0] for name, entry in model.hook_backup.items()},
    }

    def walk(module: torch.nn.Module, prefix: str, in_place: bool) -> Iterator[tuple[str, torch.Tensor, Any]]:
        """in_place: what the host has patched and cast is this module, not one that now stands in its place."""
        passing = getattr(module, "_non_persistent_buffers_set", ())
        buffers = [entry for entry in module.named_buffers(recurse=False) if entry[0] not in passing]
        for name, tensor in [*module.named_parameters(recurse=False), *buffers]:
            original = originals.get(prefix + name, tensor) if in_place else tensor
            yield prefix + name, original, getattr(module, f"{name}_comfy_model_dtype", None)
        for name, child in module.named_children():
            own = replaced.get(prefix + name, child)
            if isinstance(own, torch.nn.Module):
                yield from walk(own, f"{prefix}{name}.", in_place and own is child)

    return walk(model.model, "", True)


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


class _Samples:
    """What many tensors are: name, type, shape, and a few numbers of each, fetched from each device in one go."""

    def __init__(self):
        self.labels: list[str] = []
        self._pieces: list[torch.Tensor] = []

    def add(self, name: str, tensor: torch.Tensor, dtype: torch.dtype | None = None) -> None:
        """dtype: what the host casts the tensor to when it loads it; None: nothing."""
        parts = _plain_parts(tensor)
        cast = dtype if len(parts) == 1 and dtype is not None else None
        self.labels.append(f"{name} {type(tensor).__name__} {tuple(tensor.shape)} {getattr(tensor, 'tensor_type', '')}")
        for part in parts:
            self.labels.append(f"{tuple(part.shape)} {cast or part.dtype}")
            if not part.is_meta:
                self._pieces.append(_numbers(part).to(cast or part.dtype).view(torch.uint8))

    def numbers(self) -> torch.Tensor:
        """The numbers of all tensors in order, as bytes, ``[n]`` on the CPU."""
        of_device: dict[torch.device, list[int]] = {}
        for index, piece in enumerate(self._pieces):
            of_device.setdefault(piece.device, []).append(index)
        here = list(self._pieces)
        for indices in of_device.values():
            pieces = [self._pieces[index] for index in indices]
            fetched = torch.cat(pieces).cpu().split([len(piece) for piece in pieces])
            for index, piece in zip(indices, fetched, strict=True):
                here[index] = piece
        return torch.cat(here) if here else torch.zeros(0, dtype=torch.uint8)


def _plain_parts(tensor: torch.Tensor) -> list[torch.Tensor]:
    """The tensor without its own class; for one that is made of others (the host's quantised weights), those."""
    tensor = tensor.detach()
    if is_traceable_wrapper_subclass(tensor):
        names, _ = tensor.__tensor_flatten__()
        return [part for name in names for part in _plain_parts(getattr(tensor, name))]
    return [tensor.as_subclass(torch.Tensor)]


def _numbers(tensor: torch.Tensor) -> torch.Tensor:
    """``SAMPLED_NUMBERS`` from the middle of a tensor, or as many as it has, ``[n]``."""
    count = min(tensor.numel(), SAMPLED_NUMBERS)
    start = (tensor.numel() - count) // 2
    if tensor.is_contiguous():
        return tensor.view(-1)[start : start + count]
    whole_numbers = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    indices = torch.arange(start, start + count, device=tensor.device)
    return tensor.view(whole_numbers).take(indices).view(tensor.dtype)


def _patch_values(value: Any, samples: _Samples) -> Any:
    """A LoRA or other weight patch, its tensors put among the samples."""
    if isinstance(value, torch.Tensor):
        samples.add("patch", value)
        return None
    if isinstance(value, list | tuple):
        return [_patch_values(item, samples) for item in value]
    weights = getattr(value, "weights", None)
    return [type(value).__name__, _patch_values(weights, samples)] if weights is not None else value
