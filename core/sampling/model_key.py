"""What a MODEL is, as a key: the same after a restart, another after any change of weights or patches."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import comfyui_version
import folder_paths
import torch
from comfy.cli_args import args
from comfy.ldm.modules.attention import optimized_attention

from ..plain_files import open_plain
from .content import ByGraph, content_key, plain_parts

SAMPLED_NUMBERS = 16  # of each tensor, in a row: one page of a file that is read when touched
COMPILED = "_orig_mod."  # what torch.compile puts a module under
PUT_ON = (  # attributes of a MODEL that nodes fill, beside patches and options
    *("weight_wrapper_patches", "wrappers", "callbacks", "injections", "attachments"),
    *("hook_patches", "forced_hooks", "force_cast_weights"),
)
FLAGS = (  # of the host's command line, that change numbers
    *("force_upcast_attention", "dont_upcast_attention", "fp16_intermediates", "force_channels_last"),
    *("supports_fp8_compute", "deterministic", "enable_triton_backend", "disable_triton_backend"),
)
ATTENTION_PACKAGES = {
    "attention_sage": ("sageattention",),
    "attention_flash": ("flash-attn",),
    "attention_xformers": ("xformers",),
}
LONGEST_NAME = 1000
WHOLE_FILE_BYTES = 16 << 20
STRETCHES, STRETCH_BYTES = 64, 1 << 16


def model_key(model: Any, graph: Any) -> str:
    """Key of the host's MODEL: its weights, all that nodes have put on it, and what will compute with it.

    graph: from ``upstream_graph``. It speaks for what has no name, such as functions made inside of others.

    Raises Unnameable: There is such a thing, and no graph.
    """
    samples = _Samples()
    for name, tensor, dtype in _weights(model):
        samples.add(name, tensor, dtype)
    patches = [[name, _patch_values(patch, samples)] for name, patch in sorted(model.patches.items())]
    # What is loaded beside a model (a MODEL_PATCH) is a network alone.
    schedule = model.get_model_object("model_sampling") if hasattr(model.model, "model_sampling") else None
    put_on = [
        patches,
        {name: patch for name, patch in model.object_patches.items() if patch is not schedule},
        model.model_options,
        *(getattr(model, name, None) for name in PUT_ON),
        [[name, [model_key(each, graph) for each in models]] for name, models in model.additional_models.items()],
    ]
    return content_key(
        [kind.__qualname__ for kind in type(model.model).__mro__],
        "\n".join(samples.labels),
        samples.numbers(),
        [kind.__qualname__ for kind in type(schedule).__mro__],
        {name: value for name, value in getattr(schedule, "__dict__", {}).items() if type(value) in (int, float, str)},
        sorted(model.object_patches),
        ByGraph(put_on, lambda: graph),
        graph,
        [str(model.model.get_dtype_inference()), str(model.model.manual_cast_dtype)] if schedule is not None else None,
        _computed_by(model.load_device),
    )


def _computed_by(device: torch.device) -> list[Any]:
    """What else the numbers depend on: kind of processor, versions, flags. Not which of several like processors."""
    processor = device.type
    if device.type in ("cuda", "xpu"):
        processor = getattr(torch, device.type).get_device_name(device)
    attention = optimized_attention.__name__
    return [
        processor,
        [attention, *map(_version, ATTENTION_PACKAGES.get(attention, ()))],
        [comfyui_version.__version__, _version("comfy-kitchen"), _code_digest()],
        [str(getattr(args, flag, None)) for flag in FLAGS],
        sorted(map(str, args.fast or [])),
    ]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def _code_digest() -> str:
    """Of our own code that runs while the host samples: what goes in before is in the key itself."""
    core = Path(__file__).parents[1]
    files = [core / "sampling" / "host_sampler.py", *sorted((core / "families").rglob("*.py"))]
    return content_key([[path.relative_to(core).as_posix(), path.read_text(encoding="utf-8")] for path in files])


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
    # Only modules that are in the network now are patched and cast by the host; by identity, since torch.compile
    # wraps those that it replaces.
    in_network = {id(module): f"{name}." for name, module in model.model.named_modules()}

    def walk(module: torch.nn.Module, prefix: str) -> Iterator[tuple[str, torch.Tensor, torch.dtype | None]]:
        passing = getattr(module, "_non_persistent_buffers_set", ())
        buffers = [entry for entry in module.named_buffers(recurse=False) if entry[0] not in passing]
        hosts_prefix = in_network.get(id(module))
        for name, tensor in [*module.named_parameters(recurse=False), *buffers]:
            if hosts_prefix is not None:
                hosts_name = hosts_prefix + name
                tensor = originals.get(hosts_name, originals.get(hosts_name.replace(COMPILED, ""), tensor))
            yield prefix + name, tensor, getattr(module, f"{name}_comfy_model_dtype", None)
        for name, child in module.named_children():
            own = replaced.get(prefix + name, child)
            if isinstance(own, torch.nn.Module):
                yield from walk(own, prefix if f"{name}." == COMPILED else f"{prefix}{name}.")

    return walk(model.model, "")


def upstream_graph(prompt: Any, node_id: str | None, *input_names: str) -> Any:
    """The nodes that some inputs of a node come from: class, own inputs, and theirs in turn; no node ids.

    Names of files come with a digest of the file, and classes with one of their code's: another file under the same
    name makes another graph.

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
        return [value, _files_named(value)] if isinstance(value, str) else value
    node_id = str(value[0])
    if node_id not in known:
        node = prompt.get_node(node_id)
        inputs = {name: _source(prompt, own, known) for name, own in node["inputs"].items()}
        known[node_id] = content_key(node["class_type"], _code_of(node["class_type"]), inputs)
    return [value[1], known[node_id]]


def _files_named(text: str) -> list[str]:
    """Digests of the files that an input's text means: in the host's folders, or by a whole path."""
    if "." not in text or len(text) > LONGEST_NAME or "\n" in text:
        return []
    places: list[Callable[[], str | None]] = [lambda: text]
    if not os.path.isabs(text):
        kinds = list(folder_paths.folder_names_and_paths)
        places = [lambda: folder_paths.get_annotated_filepath(text)]
        places += [functools.partial(folder_paths.get_full_path, kind, text) for kind in kinds]
    digests = set()
    for place in places:
        with contextlib.suppress(OSError, ValueError):  # the host's, for a text that leads out of a folder
            path = place()
            if path:
                digests.add(_digest_of(path))
    return sorted(digests)


def _code_of(class_type: str) -> str | None:
    """Digest of the file that a node's class is in: a pack that is mended makes another patch under the same name."""
    classes = getattr(sys.modules.get("nodes"), "NODE_CLASS_MAPPINGS", {})  # the host's nodes.py
    module = sys.modules.get(getattr(classes.get(class_type), "__module__", ""))
    file = getattr(module, "__file__", None)
    with contextlib.suppress(OSError, ValueError):
        return _digest_of(file) if file else None
    return None


def _digest_of(path: str) -> str:
    status = os.stat(path)
    return _file_digest(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(256)
def _file_digest(path: str, size: int, changed: int) -> str:
    """Of a file's content; of a large one, its size and some stretches spread over it. Raises OSError."""
    digest = hashlib.sha256(str(size).encode())
    with open_plain(path) as file:
        if size <= WHOLE_FILE_BYTES:
            digest.update(file.read(WHOLE_FILE_BYTES))
        else:
            for index in range(STRETCHES):
                file.seek(index * (size - STRETCH_BYTES) // (STRETCHES - 1))
                digest.update(file.read(STRETCH_BYTES))
    return digest.hexdigest()[:40]


class _Samples:
    """What many tensors are: name, type, shape, and a few numbers of each, fetched from each device in one go."""

    def __init__(self):
        self.labels: list[str] = []
        self._pieces: list[torch.Tensor] = []

    def add(self, name: str, tensor: torch.Tensor, dtype: torch.dtype | None = None) -> None:
        """dtype: what the host casts the tensor to when it loads it; None: nothing."""
        parts = plain_parts(tensor)
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
