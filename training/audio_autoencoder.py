"""Train the sound's autoencoder: ``python -m training.audio_autoencoder``. Goes on where it was stopped.

The host's own LTX-2 audio VAE at a small width learns to give back log mel spectrograms of the training sounds. What
the model listens to are its latents: 8 channels of 16 bins, 25 a second.
"""

from __future__ import annotations

import argparse
import functools

from .host import DEVICE, WORK

# isort: split
import numpy as np
import torch
from comfy.ldm.lightricks.vae.audio_vae import AudioVAE

from .clips import PAIRS, make_sound, seeded
from .config import CONFIG
from .progress import Clock, curve_picture, save
from .sounds import RATE

STATE = WORK / "audio_autoencoder.pt"
SECONDS = 2.0


def spectrograms(vae: AudioVAE, seed: int, count: int, among: int = 400) -> torch.Tensor:
    """Log mel spectrograms ``[count, 2, frames, mel bins]`` of ``among`` sounds, half of them a little in stereo."""
    waves = []
    for index in range(count):
        random = seeded(2, seed, index)
        samples = sound(seed // 10**6 * 10**6 + int(random.integers(among))) * random.uniform(0.3, 1)
        balance = random.uniform(0.5, 1, 2) if random.random() < 0.5 else np.ones(2)
        waves.append(torch.from_numpy(np.stack([samples * side for side in balance]).astype(np.float32)))
    return vae.preprocessor.waveform_to_mel(torch.stack(waves).to(DEVICE), RATE, DEVICE)


@functools.cache
def sound(seed: int) -> np.ndarray:
    random = seeded(5, seed)
    return make_sound(random, str(random.choice(list(PAIRS))), SECONDS).samples


def encode(vae: AudioVAE, mel: torch.Tensor) -> torch.Tensor:
    """Means ``[batch, 8, frames / 4, 16]``, not normalised."""
    return vae.autoencoder.encode(mel).chunk(2, dim=1)[0]


def decode(vae: AudioVAE, latents: torch.Tensor) -> torch.Tensor:
    return vae.autoencoder.decode(latents, target_shape=vae.target_shape_from_latents(latents.shape))


def load() -> tuple[AudioVAE, dict]:
    vae = AudioVAE({"config": CONFIG})
    state = torch.load(STATE, map_location="cpu") if STATE.exists() else {}
    if state:
        vae.load_state_dict(state["vae"])
    else:
        torch.manual_seed(0)
        for name, parameter in vae.named_parameters():
            if parameter.ndim > 1:
                torch.nn.init.kaiming_normal_(parameter, nonlinearity="linear")
                if "conv2" in name:
                    parameter.data *= 0.1
            else:
                parameter.data.zero_()
    return vae.to(DEVICE), state


@torch.no_grad()
def measure_statistics(vae: AudioVAE) -> None:
    """Let the host's normaliser bring latents to mean 0 and deviation 1."""
    latents = torch.cat([encode(vae, spectrograms(vae, 10**6 + index, 16)) for index in range(8)])
    patched, _ = vae.normalizer.patchifier.patchify(latents)
    statistics = vae.autoencoder.per_channel_statistics
    statistics.get_buffer("mean-of-means").copy_(patched.mean(dim=(0, 1)))
    statistics.get_buffer("std-of-means").copy_(patched.std(dim=(0, 1)).clamp(min=1e-3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=0.25, help="of this run")
    parser.add_argument("--total-steps", type=int, default=600, help="the learning rate falls to nothing there")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--rate", type=float, default=2e-3)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    vae, state = load()
    network = list(vae.autoencoder.parameters())
    optimizer = torch.optim.AdamW(network, lr=arguments.rate, betas=(0.9, 0.98), weight_decay=1e-4)
    if state:
        optimizer.load_state_dict(state["optimizer"])
    step = state.get("step", 0)
    held_out = spectrograms(vae, 2 * 10**6, 16)
    clock = Clock(arguments.hours, arguments.total_steps, step)
    while step < arguments.total_steps and clock.going():
        for group in optimizer.param_groups:
            share = step / arguments.total_steps
            group["lr"] = float(arguments.rate * (0.52 + 0.48 * np.cos(np.pi * share)))
        mel = spectrograms(vae, step + 1, arguments.batch)
        latents = encode(vae, mel)
        made = decode(vae, latents + 0.05 * torch.randn_like(latents))
        loss = (made - mel[:, :, : made.shape[2]]).abs().mean()
        tidy = 1e-3 * (latents.square() - 4).clamp(min=0).mean()
        optimizer.zero_grad(set_to_none=True)
        (loss + tidy).backward()
        torch.nn.utils.clip_grad_norm_(network, 1.0)
        optimizer.step()
        step += 1
        clock.tick(step, f"error {loss.item():.3f}")
        if step % 100 == 0 or step == arguments.total_steps:
            with torch.no_grad():
                made = decode(vae, encode(vae, held_out))
                wanted = held_out[:, :, : made.shape[2]]
            spread = (wanted - wanted.mean()).abs().mean()
            clock.say(f"step {step}: held out error {(made - wanted).abs().mean():.3f} of {spread:.3f}")
            curve_picture(WORK / "audio_autoencoder.png", torch.cat([wanted[:6, 0], made[:6, 0]]).transpose(1, 2))
    measure_statistics(vae)
    save(STATE, vae=vae.state_dict(), optimizer=optimizer.state_dict(), step=step)


if __name__ == "__main__":
    main()
