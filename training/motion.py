"""Train the transformer: ``python -m training.motion --hours 1``. Goes on where it was stopped.

The host's own LTX-AV transformer at a small width learns, by flow matching, to turn noise into the latents of a clip
while it hears the clean latents of its sound, as the samplers use it:

- from the reference image: the first latent is given, the rest is noise;
- going on: the last four latents of a segment are given, the first of them being the clip's first latent as
  ``anchor_first_frame`` of the samplers has it, and the next ones follow;
- from the sound alone.
"""

from __future__ import annotations

import argparse
import inspect
import re
import textwrap
from typing import Any

from .host import DEVICE, WORK

# isort: split
import comfy.ldm.modules.attention
import comfy.ops
import numpy as np
import torch
from comfy.ldm.lightricks import av_model
from comfy.ldm.lightricks import model as lightricks_model
from comfy.ldm.lightricks.av_model import LTXAVModel
from sound_to_video.core.scenes import scene_embedding

from .config import FRAME_RATE, TRANSFORMER
from .latents import KINDS, LATENTS, files, load_autoencoders
from .progress import Clock, save
from .video_autoencoder import decode

STATE = WORK / "motion.pt"
OVERLAP = 4
WINDOWS = (13, 17, 21)
NOISE_SHIFT = 6.0
"""Noise levels are drawn about as sampling visits them: many more high than low ones."""


def new_transformer() -> LTXAVModel:
    torch.manual_seed(1)
    network = LTXAVModel(**TRANSFORMER, operations=comfy.ops.disable_weight_init, device="cpu", dtype=torch.float32)
    for name, parameter in network.named_parameters():
        if "scale_shift_table" in name:
            torch.nn.init.normal_(parameter, std=0.02)
            if name.startswith("transformer_blocks"):
                gates = (2, 5) if parameter.shape[0] == 6 else (4,)
                parameter.data[list(gates)] += 0.5
        elif parameter.ndim > 1:
            torch.nn.init.xavier_uniform_(parameter)
            if "adaln_single" in name and "linear.weight" in name and "emb" not in name:
                parameter.data.zero_()
        elif name.endswith("norm.weight"):
            torch.nn.init.ones_(parameter)
        else:
            torch.nn.init.zeros_(parameter)
    torch.nn.init.zeros_(network.proj_out.weight)
    return network


def let_gradients_through() -> None:
    """Give the host's blocks a forward pass that changes nothing in place, which autograd refuses.

    Its text is the host's own: ``vx.addcmul_(...)`` becomes ``vx = vx.addcmul(...)``.
    """
    text = textwrap.dedent(inspect.getsource(av_model.BasicAVTransformerBlock.forward))
    text, count = re.subn(r"\b(vx|ax)\.(addcmul|add)_\(", r"\1 = \1.\2(", text)
    assert count == 8, "the host's block has changed"
    made: dict[str, Any] = {}
    exec(compile(text, "BasicAVTransformerBlock.forward", "exec"), vars(av_model), made)
    av_model.BasicAVTransformerBlock.forward = made["forward"]


def compile_blocks(network: LTXAVModel) -> None:
    """Half as fast again, for a compiler and half a minute at the start."""
    for module in (comfy.ldm.modules.attention, lightricks_model):
        for name in ("optimized_attention", "optimized_attention_masked"):
            if hasattr(module, name):
                setattr(module, name, comfy.ldm.modules.attention.attention_pytorch)
    for block in network.transformer_blocks:
        block.forward = torch.compile(block.forward, dynamic=False)


@torch.no_grad()
def shown(clips: Clips) -> torch.Tensor:
    """How much a change of the latent's channels shows in the picture, ``[128, 128]``, 1 on the diagonal's mean.

    Measured: the Gram matrix of what the decoder makes of small changes, a channel at a time. Without it, channels of
    fine detail would count as much as those that open a mouth.
    """
    video = load_autoencoders()[0]
    statistics = video.per_channel_statistics
    random = np.random.default_rng(11)
    gram = torch.zeros(128, 128, device=DEVICE)
    for kind in (0, 1, 0, 1):
        clip = int(random.choice((clips.kind == kind).nonzero()[:, 0].numpy()))
        start = int(random.integers(0, LATENTS - 3))
        latents = clips.picture[clip, start : start + 3].float().transpose(0, 1)[None].to(DEVICE)
        still = decode(video, statistics.un_normalize(latents))
        where = 0.3 * torch.from_numpy(random.choice([-1.0, 1.0], latents.shape[2:])).float().to(DEVICE)
        changes = []
        for channel in range(0, 128, 8):
            changed = latents.repeat(8, 1, 1, 1, 1)
            for index in range(8):
                changed[index, channel + index] += where
            changes.append((decode(video, statistics.un_normalize(changed)) - still).flatten(1))
        change = torch.cat(changes)
        gram += change @ change.T
    return gram / gram.diagonal().mean()


class Clips:
    """The clips that have been made so far, in memory as float16."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.parts: dict[str, list[torch.Tensor]] = {"picture": [], "sound": [], "kind": []}
        self.look()

    def look(self) -> None:
        for path in files():
            if path.name not in self.seen:
                self.seen.add(path.name)
                for name, tensor in torch.load(path).items():
                    self.parts[name].append(tensor)
        if not self.seen:
            raise FileNotFoundError("make clips first: python -m training.latents")
        self.picture, self.sound, self.kind = (torch.cat(self.parts[name]) for name in ("picture", "sound", "kind"))

    def batch(self, random: np.random.Generator, count: int) -> dict[str, torch.Tensor]:
        """``picture [b, 128, n, 4, 4]``, ``sound [b, 8, m, 16]``, ``given [b, n]`` (1: known, not noised), ``kind``.

        And ``sampled [b, n]``: 1 where what is given will have been sampled, not encoded.
        """
        n = int(random.choice(WINDOWS, p=(0.4, 0.4, 0.2)))
        given, sampled = torch.zeros(count, n), torch.zeros(count, n)
        pictures, sounds, kinds = [], [], []
        for index in range(count):
            clip = int(random.integers(len(self.picture)))
            mode, start = random.random(), 0
            if mode < 0.55:
                given[index, 0] = 1 if random.random() < 0.85 else 0.7
            elif mode < 0.85 and n < LATENTS:
                start = int(random.integers(1, LATENTS - n + 1))
                given[index, :OVERLAP] = 1
                sampled[index, :OVERLAP] = 1
            pictures.append(self.picture[clip, start : start + n])
            if start and random.random() < 0.85:
                pictures[-1] = torch.cat([self.picture[clip, :1], pictures[-1][1:]])
                sampled[index, 0] = 0
            sounds.append(self.sound[clip, 8 * start : 8 * (start + n - 1) + 1])
            kinds.append(int(self.kind[clip]))
        return {
            "picture": torch.stack(pictures).float().transpose(1, 2).to(DEVICE),
            "sound": torch.stack(sounds).float().transpose(1, 2).to(DEVICE),
            "given": given.to(DEVICE),
            "sampled": sampled.to(DEVICE),
            "kind": torch.tensor(kinds),
        }


def scenes(kinds: torch.Tensor, random: np.random.Generator | None) -> torch.Tensor:
    """The embeddings of the clips' scenes; a third of the time "any"."""
    names = ["any" if random is not None and random.random() < 0.33 else KINDS[kind] for kind in kinds.tolist()]
    return torch.cat([scene_embedding(name) for name in names]).to(DEVICE)


def velocity(
    network: LTXAVModel, noisy: torch.Tensor, sound: torch.Tensor, noise_levels: torch.Tensor, scene: torch.Tensor
) -> torch.Tensor:
    """What the host's model calls: noise levels ``[b, n]`` of every latent of the picture, the sound without noise."""
    tokens = noisy.shape[3] * noisy.shape[4]
    times = noise_levels.repeat_interleave(tokens, dim=1)[..., None]
    quiet = torch.zeros(noisy.shape[0], sound.shape[2], 1, device=noisy.device)
    return network([noisy, sound], (times, quiet), scene, frame_rate=FRAME_RATE)[0]


def loss_of(
    network: LTXAVModel, batch: dict[str, torch.Tensor], shows: torch.Tensor, random: np.random.Generator
) -> torch.Tensor:
    """The velocity's squared error as it shows in the picture (``shows``), as a share of how much the clip moves."""
    picture, given = batch["picture"], batch["given"]
    count = len(picture)
    level = random.random(count)
    level = NOISE_SHIFT * level / (1 + (NOISE_SHIFT - 1) * level)
    level[random.random(count) < 0.15] = 1.0
    levels = torch.tensor(level, dtype=torch.float32, device=picture.device)[:, None] * (1 - given)
    wide = levels[:, None, :, None, None]
    noise = torch.randn_like(picture)
    noisy = (1 - wide) * drifted(picture, batch["sampled"]) + wide * noise
    made = velocity(network, noisy, batch["sound"], levels, scenes(batch["kind"], random))
    error = (made.float() - (noise - picture)) * (wide > 0)

    def visible(values: torch.Tensor) -> torch.Tensor:
        return (values * torch.einsum("cd,bdnhw->bcnhw", shows, values)).mean(dim=1)

    moving = visible(picture - picture.mean(dim=2, keepdim=True))
    weight = 1 + 3 * (moving / 0.05).clamp(max=1)
    weight = weight / (0.05 + moving.mean(dim=(1, 2, 3), keepdim=True)) * given.lt(1)[:, :, None, None]
    return 0.1 * (weight * visible(error)).sum() / given.lt(1).sum() / picture.shape[3] / picture.shape[4]


def drifted(picture: torch.Tensor, sampled: torch.Tensor) -> torch.Tensor:
    """Latents as sampling hands them on: a little off in every value, and, all alike, in the look."""
    amount = torch.rand(2, len(picture), 1, 1, 1, 1, device=picture.device) * 0.25
    look = torch.randn_like(picture[:, :, :1])
    return picture + sampled[:, None, :, None, None] * (amount[0] * torch.randn_like(picture) + amount[1] * look)


def load() -> tuple[LTXAVModel, dict]:
    network = new_transformer()
    state = torch.load(STATE, map_location="cpu") if STATE.exists() else {}
    if state:
        network.load_state_dict(state["network"])
    return network.to(DEVICE), state


class Averaged:
    """A running mean of the weights, which samples better than the last ones."""

    def __init__(self, network: torch.nn.Module, weights: dict | None):
        self.weights = weights or {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def follow(self, network: torch.nn.Module, step: int) -> None:
        keep = min(0.998, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            self.weights[name].lerp_(value, 1 - keep)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="of this run")
    parser.add_argument("--total-steps", type=int, default=9000, help="the learning rate falls to nothing there")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--compile", action="store_true", help="the blocks, by torch.compile")
    arguments = parser.parse_args()
    let_gradients_through()
    network, state = load()
    if arguments.compile:
        compile_blocks(network)
    parameters = [parameter for name, parameter in network.named_parameters() if used(name)]
    optimizer = torch.optim.AdamW(parameters, lr=arguments.rate, betas=(0.9, 0.98), weight_decay=1e-3)
    if state:
        optimizer.load_state_dict(state["optimizer"])
    step = state.get("step", 0)
    averaged = Averaged(network, state.get("averaged"))
    clips = Clips()
    shows = shown(clips)
    clock = Clock(arguments.hours, arguments.total_steps, step)
    recent: list[float] = []
    while step < arguments.total_steps and clock.going():
        random = np.random.default_rng([4, step])
        torch.manual_seed(step)
        warm = min(1.0, (step + 1) / 200)
        for group in optimizer.param_groups:
            group["lr"] = float(arguments.rate * warm * (0.51 + 0.49 * np.cos(np.pi * step / arguments.total_steps)))
        batch = clips.batch(random, arguments.batch)
        with torch.autocast(DEVICE.type, torch.bfloat16):
            loss = loss_of(network, batch, shows, random)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        averaged.follow(network, step)
        recent.append(loss.item())
        clock.tick(step, f"loss {recent[-1]:.4f}")
        if step % 200 == 0 or step == arguments.total_steps:
            clock.say(f"step {step}: loss {np.mean(recent):.4f}, gradient {norm:.2f}, over {len(clips.picture)} clips")
            recent.clear()
            keep(network, averaged, optimizer, step)
            clips.look()
    keep(network, averaged, optimizer, step)


def used(name: str) -> bool:
    """Whether a parameter has a part in the picture: the sound is given, so nothing has to be made of it."""
    return not name.startswith(("audio_proj_out", "audio_scale_shift_table"))


def keep(network: LTXAVModel, averaged: Averaged, optimizer: Any, step: int) -> None:
    save(
        STATE,
        network=network.state_dict(),
        averaged=averaged.weights,
        optimizer=optimizer.state_dict(),
        step=step,
    )


if __name__ == "__main__":
    main()
