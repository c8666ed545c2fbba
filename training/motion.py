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
from pathlib import Path

from .host import DEVICE, WORK

# isort: split
import comfy.ops
import numpy as np
import torch
from comfy.ldm.lightricks.av_model import LTXAVModel
from comfy.ldm.lightricks.vae.causal_video_autoencoder import VideoVAE
from sound_to_video.core.scene.no_text import scene_embedding
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from . import lean
from .beginning import show_the_reference
from .config import FRAME_RATE, TRANSFORMER
from .latents import KINDS, LATENTS, files, folder_for, load_autoencoders
from .optimizers import Optimizers, falling, own_part
from .processes import PROCESS
from .progress import Clock, save

STATE = WORK / "motion.pt"
OVERLAP = 4
LONGEST = 17
WINDOWS = {LONGEST: 0.84, 13: 0.06, 9: 0.05, 6: 0.05}
"""How many latents a window has, and how often: 5 s, as the quick-start workflows sample, and shorter last ones."""
NOISE_SHIFT = 4.0
"""Noise levels are drawn about as sampling visits them: more high than low ones."""
PURE_NOISE = 0.2
DRIFT = 0.15
"""How far off what is handed on by a segment may be, in what is seen."""


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
        if not used(name):
            parameter.data.zero_()
    show_the_reference(network)
    return network


def used(name: str) -> bool:
    """Whether a parameter has a part in the picture; others stay zero.

    The sound is given and hears only itself, so nothing has to be made of it, and a scene is one token, to which
    attention is the same whatever is asked.
    """
    parts = name.split(".")
    if parts[0] in ("audio_proj_out", "audio_scale_shift_table", "av_ca_v2a_gate_adaln_single"):
        return False
    if "video_to_audio_attn" in parts or "connector" in parts[0]:
        return False
    return not ({"attn2", "audio_attn2"} & set(parts) and {"to_q", "to_k", "q_norm", "k_norm"} & set(parts))


class Clips:
    """The clips that have been made so far, in memory as float16."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.seen: set[str] = set()
        self.parts: dict[str, list[torch.Tensor]] = {"picture": [], "sound": [], "kind": []}
        self.look()

    def look(self) -> None:
        for path in files(self.folder):
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
        n = int(random.choice(list(WINDOWS), p=list(WINDOWS.values())))
        given, sampled = torch.zeros(count, n), torch.zeros(count, n)
        pictures, sounds, kinds = [], [], []
        for index in range(count):
            clip = int(random.integers(len(self.picture)))
            mode, start = random.random(), 0
            if mode < 0.46:
                given[index, 0] = 1 if random.random() < 0.95 else 0.7
            elif mode < 0.76:
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


def scenes(kinds: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """The embeddings of the clips' scenes; a third of the time "any"."""
    names = ["any" if random.random() < 0.33 else KINDS[kind] for kind in kinds.tolist()]
    return torch.cat([scene_embedding(name) for name in names]).to(DEVICE)


class Learning:
    """The loss of a batch: the velocity's squared error as it is seen, as a share of how much the clip moves."""

    def __init__(self, network: LTXAVModel, video: VideoVAE):
        self.network = network
        # settled latents: an error in any channel, times this, shows as much
        self.seen = video.per_channel_statistics.get_buffer("std-of-means").view(1, -1, 1, 1, 1).to(DEVICE)
        self.places = {n: lean.places_for(network, n, 8 * (n - 1) + 1, FRAME_RATE) for n in WINDOWS}
        self.velocity = torch.compile(lean.velocity, dynamic=False)

    def loss_of(self, batch: dict[str, torch.Tensor], random: np.random.Generator) -> torch.Tensor:
        picture, given = batch["picture"], batch["given"]
        count, latents = given.shape
        level = random.random(count)
        level = NOISE_SHIFT * level / (1 + (NOISE_SHIFT - 1) * level)
        level[random.random(count) < PURE_NOISE] = 1.0
        levels = torch.tensor(level, dtype=torch.float32, device=picture.device)[:, None] * (1 - given)
        wide = levels[:, None, :, None, None]
        noise = torch.randn_like(picture)
        noisy = (1 - wide) * self.drifted(picture, batch["sampled"]) + wide * noise
        scene = scenes(batch["kind"], random)
        velocity = self.velocity if latents == LONGEST else lean.velocity
        made = velocity(self.network, self.places[latents], noisy, batch["sound"], levels, scene)
        error = ((made.float() - (noise - picture)) * self.seen).square().mean(dim=1)
        moving = ((picture - picture.mean(dim=2, keepdim=True)) * self.seen).square().mean(dim=1)
        weight = 1 + 3 * (moving / 0.03).clamp(max=1)
        weight = weight / (0.02 + moving.mean(dim=(1, 2, 3), keepdim=True)) * given.lt(1)[:, :, None, None]
        return 0.01 * (weight * error).sum() / given.lt(1).sum() / error.shape[2] / error.shape[3]

    def drifted(self, picture: torch.Tensor, sampled: torch.Tensor) -> torch.Tensor:
        """Latents as sampling hands them on: a little off in every value, and, all alike, in the look."""
        amount = torch.rand(2, len(picture), 1, 1, 1, 1, device=picture.device) * DRIFT
        off = amount[0] * torch.randn_like(picture) + amount[1] * torch.randn_like(picture[:, :, :1])
        return picture + sampled[:, None, :, None, None] * off / self.seen


def optimizers_for(network: LTXAVModel, rate: float) -> Optimizers:
    """Muon learns the blocks' matrices."""
    named = [(name, parameter) for name, parameter in network.named_parameters() if used(name)]
    matrices = [
        one for name, one in named if name.startswith("transformer_blocks") and "weight" in name and one.ndim == 2
    ]
    return Optimizers([one for _, one in named], matrices, rate)


def load() -> tuple[LTXAVModel, dict]:
    network = new_transformer()
    state = torch.load(STATE, map_location="cpu") if STATE.exists() else {}
    if state:
        network.load_state_dict(state["network"])
    return network.to(DEVICE), state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="of this run")
    parser.add_argument("--total-steps", type=int, default=11000, help="the learning rate falls to nothing there")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=3e-3)
    arguments = parser.parse_args()
    network, state = load()
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.998))
    optimizers = optimizers_for(network, arguments.rate)
    if state:
        averaged.module.load_state_dict(state["averaged"])
        averaged.n_averaged.fill_(1)
        optimizers.go_on(state["optimizers"])
    step = state.get("step", 0)
    video, audio = load_autoencoders()
    clips = Clips(folder_for(video, audio))
    learning = Learning(network, video)
    clock = Clock(arguments.hours, arguments.total_steps, step)
    recent: list[float] = []
    while step < arguments.total_steps and clock.going():
        random = np.random.default_rng([4, own_part(step)])
        torch.manual_seed(own_part(step))
        batch = clips.batch(random, arguments.batch)
        with torch.autocast(DEVICE.type, torch.bfloat16):
            loss = learning.loss_of(batch, random)
        loss.backward()
        norm = optimizers.step(falling(step, arguments.total_steps, warm=200))
        step += 1
        if step > 100:
            averaged.update_parameters(network)
        recent.append(loss.item())
        clock.tick(step, f"loss {recent[-1]:.4f}")
        if step % 200 == 0 or step == arguments.total_steps:
            clock.say(f"step {step}: loss {np.mean(recent):.4f}, gradient {norm:.2f}, over {len(clips.picture)} clips")
            recent.clear()
            keep(network, averaged, optimizers, step)
            clips.look()
    keep(network, averaged, optimizers, step)


def keep(network: LTXAVModel, averaged: AveragedModel, optimizers: Optimizers, step: int) -> None:
    if PROCESS:
        return
    save(
        STATE,
        network=network.state_dict(),
        averaged=averaged.module.state_dict(),
        optimizers=optimizers.kept(),
        step=step,
    )


if __name__ == "__main__":
    main()
