"""A stand-in for packs that quantise weights their own way (ComfyUI-GGUF and its kin), for tests.

It does to the host what they do, in the simplest form: a tensor class whose shape is not that of its bytes; layers
that answer ``state_dict()`` with empty tensors, and with one that no layer has, so that the host reckons with the
memory of unpacking; a patcher that hangs patches on the packed tensor instead of changing it.
"""

from __future__ import annotations

from typing import Any

import comfy.lora
import comfy.model_patcher
import comfy.ops
import comfy.sd
import comfy.utils
import torch

BLOCK = 32  # numbers that share one scale: 32 bytes and a half-precision scale


class Packed(torch.Tensor):
    """Numbers of 8 bits in blocks, as bytes ``[blocks, 34]``; ``shape`` is that of the numbers."""

    def __new__(cls, data: torch.Tensor, shape: torch.Size):
        return super().__new__(cls, data)

    def __init__(self, data: torch.Tensor, shape: torch.Size):
        super().__init__()
        self.tensor_shape = shape
        self.patches: list = []

    @property
    def shape(self) -> torch.Size:
        return getattr(self, "tensor_shape", self.size())

    def _like(self, other: torch.Tensor) -> Packed:
        other.tensor_shape, other.patches = self.shape, list(getattr(self, "patches", []))
        return other

    def to(self, *args, **kwargs) -> Packed:
        return self._like(super().to(*args, **kwargs))

    def detach(self) -> Packed:
        return self

    def clone(self, *args, **kwargs) -> Packed:
        return self


def packed(tensor: torch.Tensor) -> Packed:
    blocks = tensor.float().reshape(-1, BLOCK)
    scale = (blocks.abs().amax(dim=1, keepdim=True) / 127).clamp(min=1e-6).half()
    numbers = (blocks / scale.float()).round().clamp(-127, 127).to(torch.int8)
    return Packed(torch.cat([numbers.view(torch.uint8), scale.view(torch.uint8)], dim=1), tensor.shape)


def unpacked(tensor: Packed) -> torch.Tensor:
    data = tensor.as_subclass(torch.Tensor)
    numbers, scale = data[:, :BLOCK].contiguous().view(torch.int8), data[:, BLOCK:].contiguous().view(torch.half)
    return (numbers.float() * scale.float()).reshape(tensor.shape)


class Operations(comfy.ops.manual_cast):
    class Linear(comfy.ops.manual_cast.Linear):
        comfy_cast_weights = True

        def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
            torch.nn.Module.__init__(self)
            self.in_features, self.out_features = in_features, out_features
            self.weight = self.bias = None

        def _load_from_state_dict(self, state_dict, prefix, *rest):
            for name in ("weight", "bias"):
                if (tensor := state_dict.get(prefix + name)) is not None:
                    setattr(self, name, torch.nn.Parameter(tensor, requires_grad=False))

        def _save_to_state_dict(self, destination, prefix, keep_vars):
            for name, tensor in self.named_parameters(recurse=False):
                destination[prefix + name] = torch.empty(tensor.shape, device="meta")
            destination[prefix + "temp.weight"] = torch.empty(self.weight.shape, device="meta")

        def forward_comfy_cast_weights(self, given, *args, **kwargs):
            weight = self.weight
            if isinstance(weight, Packed):
                weight = unpacked(weight)
                for patches, key in self.weight.patches:
                    weight = comfy.lora.calculate_weight(patches, weight, key)
            bias = None if self.bias is None else self.bias.to(given.device, given.dtype)
            return torch.nn.functional.linear(given, weight.to(given.device, given.dtype), bias)


class Patcher(comfy.model_patcher.ModelPatcher):
    def patch_weight_to_device(self, key, device_to=None, inplace_update=False, **kwargs):
        weight = comfy.utils.get_attr(self.model, key)
        if key not in self.patches or not isinstance(weight, Packed):
            return super().patch_weight_to_device(key, device_to, inplace_update, **kwargs)
        patched = weight.to(device_to)
        patched.patches = [(self.patches[key], key)]
        return comfy.utils.set_attr_param(self.model, key, patched)

    def unpatch_model(self, device_to=None, unpatch_weights=True):
        for tensor in self.model.parameters() if unpatch_weights else ():
            if isinstance(tensor, Packed):
                tensor.patches = []
        return super().unpatch_model(device_to, unpatch_weights)

    def load(self, *args, force_patch_weights=False, **kwargs):
        super().load(*args, force_patch_weights=True, **kwargs)

    def clone(self, *args, **kwargs):
        clone = super().clone(*args, **kwargs)
        clone.__class__ = Patcher
        return clone


def load_quantised(path: Any, seed: int = 0) -> Patcher:
    """The diffusion model of a checkpoint, its linear layers packed, as a loader of such a pack returns it.

    seed: other than 0 changes its weights a little, as another file of the same model would.
    """
    weights, metadata = comfy.utils.load_torch_file(str(path), return_metadata=True)
    prefix = "model.diffusion_model."
    if any(name.startswith(prefix) for name in weights):
        weights = {name[len(prefix) :]: tensor for name, tensor in weights.items() if name.startswith(prefix)}
    if seed:
        weights = {name: tensor + 0.01 * seed if tensor.dim() == 2 else tensor for name, tensor in weights.items()}
    for name, tensor in weights.items():
        if name.endswith(".weight") and tensor.dim() == 2 and tensor.numel() % BLOCK == 0:
            weights[name] = packed(tensor)
    model = comfy.sd.load_diffusion_model_state_dict(
        weights, model_options={"custom_operations": Operations}, metadata=metadata
    )
    assert model is not None
    model.__class__ = Patcher
    return model
