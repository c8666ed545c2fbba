"""How the networks learn: Muon and AdamW, in one process or in several that share a batch (``torchrun``)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
import torch.distributed

from .processes import CORES, PROCESS, PROCESSES


class Optimizers:
    """Muon for matrices and the kernels of convolutions, AdamW for everything else.

    Several processes take the mean of their gradients, and so stay alike.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], matrices: Iterable[torch.nn.Parameter], rate: float):
        self.parameters, self.matrices = list(parameters), list(matrices)
        chosen = set(map(id, self.matrices))
        others = [one for one in self.parameters if id(one) not in chosen]
        # Muon knows matrices only: kernels are shown to it as [out, everything else], in the same memory
        self.flat = [torch.nn.Parameter(one.data.flatten(1)) for one in self.matrices]
        self.all = {
            torch.optim.Muon(self.flat, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"): rate,
            torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=1e-3, fused=True): rate / 3,
        }
        if PROCESSES > 1 and not torch.distributed.is_initialized():
            torch.distributed.init_process_group("gloo")

    def step(self, share: float) -> float:
        """One step at ``share`` of the learning rate; the gradient's norm."""
        if PROCESSES > 1:
            self._average()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for flat, one in zip(self.flat, self.matrices, strict=True):
            flat.grad = None if one.grad is None else one.grad.flatten(1)
        torch.set_num_threads(1)  # small matrices: several threads only wait for each other
        for optimizer, rate in self.all.items():
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        torch.set_num_threads(CORES)
        for one in self.matrices:
            one.grad = None
        return float(norm)

    def _average(self) -> None:
        gradients = [one.grad for one in self.parameters if one.grad is not None]
        mean = torch.cat([one.flatten() for one in gradients]) / PROCESSES
        torch.distributed.all_reduce(mean)
        for one, part in zip(gradients, mean.split([one.numel() for one in gradients]), strict=True):
            one.copy_(part.view_as(one))

    def kept(self) -> list[dict]:
        return [optimizer.state_dict() for optimizer in self.all]

    def go_on(self, kept: list[dict]) -> None:
        for optimizer, state in zip(self.all, kept, strict=True):
            optimizer.load_state_dict(state)


def falling(step: int, total: int, warm: int) -> float:
    """The share of the learning rate at a step: up over ``warm`` steps, then down half a cosine to almost nothing."""
    return float(min(1.0, (step + 1) / warm) * (0.51 + 0.49 * np.cos(np.pi * step / total)))


def own_part(step: int) -> int:
    """A number to draw this process's part of a step's batch by."""
    return step * PROCESSES + PROCESS
