"""The host's sampler loop, for every segment and pass of a clip; what it has finished is kept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
import torch
from comfy.nested_tensor import NestedTensor

from .content import ByGraph, Unnameable, content_key
from .model_key import model_key
from .store import SegmentStore


@dataclass(frozen=True)
class SamplerSettings:
    """What KSampler asks for. sigmas: ``[steps + 1]``, in place of steps and scheduler; None = from the scheduler."""

    seed: int
    steps: int
    cfg: float
    sampler_name: str
    scheduler: str
    sigmas: torch.Tensor | None = None


class HostSampler:
    """The host's sampler for every segment and pass of a clip, behind one progress bar with live previews.

    store: where finished runs are kept and found again; None = nowhere.
    graph: of an input's name, the nodes it comes from (``model_key.upstream_graph``); None = there is no graph.
    """

    def __init__(
        self,
        settings: SamplerSettings,
        store: SegmentStore | None = None,
        graph: Callable[[str], Any] = lambda input_name: None,
    ):
        self.settings = settings
        self.store = store
        self.resumed_runs = 0
        self._graph = graph
        self._model_keys: dict[
            int, tuple[Any, str]
        ] = {}  # by id(model); the MODEL is kept alive so that its id stays its own
        self._progress: comfy.utils.ProgressBar | None = None
        self._done_steps = 0

    def sigmas(self, model) -> torch.Tensor:
        """The noise levels of the settings, ``[steps + 1]``, as KSampler computes them for this MODEL."""
        if self.settings.sigmas is not None:
            return self.settings.sigmas
        ksampler = comfy.samplers.KSampler(
            model,
            steps=self.settings.steps,
            device=model.load_device,
            sampler=self.settings.sampler_name,
            scheduler=self.settings.scheduler,
            denoise=1.0,
            model_options=model.model_options,
        )
        return ksampler.sigmas

    def start(self, total_steps: int) -> None:
        self._progress = comfy.utils.ProgressBar(total_steps)
        self._done_steps = 0

    def sample(
        self,
        model,
        positive: list,
        negative: list,
        latent: torch.Tensor | NestedTensor,
        seed: int,
        *,
        noise_mask: torch.Tensor | NestedTensor | None = None,
        sigmas: torch.Tensor | None = None,
        cfg: float | None = None,
        model_input: str = "model",
    ) -> Any:
        """One run of the host's sampler loop; the same numbers as core's KSampler with the same inputs.

        latent: ``[1, C, T, H, W]`` or the host's NestedTensor of several modalities.
        cfg: in place of the settings' own.  model_input: the input that the MODEL came over.
        A run that the store has is not sampled again.
        """
        sigmas = self.sigmas(model) if sigmas is None else sigmas
        cfg = self.settings.cfg if cfg is None else cfg
        settings = [seed, sigmas, self.settings.sampler_name, cfg]
        key = self._key(model, model_input, positive, negative, latent, noise_mask, settings)
        dtype = comfy.model_management.intermediate_dtype()
        like = [torch.empty(part.shape, dtype=dtype, device="meta") for part in _parts(latent)]
        kept = self.store.load(key, like) if self.store is not None and key is not None else None
        if kept is not None:
            self.resumed_runs += 1
            self._step(len(sigmas) - 1)
            kept = [part.to(comfy.model_management.intermediate_device()) for part in kept]
            return kept[0] if len(kept) == 1 else NestedTensor(kept)
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(positive, negative)
        guider.set_cfg(cfg)
        samples = guider.sample(
            comfy.sample.prepare_noise(latent, seed),
            latent,
            comfy.samplers.sampler_object(self.settings.sampler_name),
            sigmas,
            denoise_mask=noise_mask,
            callback=self._callback(model),
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=seed,
        )
        self._done_steps += len(sigmas) - 1
        samples = samples.to(device=comfy.model_management.intermediate_device(), dtype=dtype)
        finite = all(part.isfinite().all() for part in _parts(samples))
        if self.store is not None and key is not None and finite:
            self.store.save(key, _parts(samples))
        return samples

    def _key(self, model, model_input: str, positive: list, negative: list, *values: Any) -> str | None:
        """The key of a run; None where it is not kept, or where something of it has no name."""
        if self.store is None:
            return None
        try:
            return content_key(
                self._model_key(model, model_input),
                ByGraph(positive, partial(self._graph, "positive")),
                ByGraph(negative, partial(self._graph, "negative")),
                *values,
            )
        except Unnameable as what:
            self.store.cannot_keep(f"something in the model or the conditioning cannot be told from others ({what})")
        except Exception as error:  # other packs put anything into a MODEL: what it is must never stop a run
            logging.debug("Sound to Video: no key for this run", exc_info=True)
            self.store.cannot_keep(f"something in the model or the conditioning cannot be read ({error})")
        return None

    def _model_key(self, model, model_input: str) -> str:
        if id(model) not in self._model_keys:
            self._model_keys[id(model)] = model, model_key(model, self._graph(model_input))
        return self._model_keys[id(model)][1]

    def _step(self, steps: int) -> None:
        self._done_steps += steps
        if self._progress is not None:
            self._progress.update_absolute(self._done_steps)

    def _callback(self, model) -> Callable:
        previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)

        def after_step(step: int, x0, x, total_steps: int) -> None:
            preview = None
            if previewer is not None:
                video = x0.tensors[0] if x0.is_nested else x0
                preview = previewer.decode_latent_to_preview_image("JPEG", video)
            if self._progress is not None:
                self._progress.update_absolute(self._done_steps + step + 1, preview=preview)

        return after_step


def _parts(latent: torch.Tensor | NestedTensor) -> list[torch.Tensor]:
    return list(latent.unbind()) if isinstance(latent, NestedTensor) else [latent]
