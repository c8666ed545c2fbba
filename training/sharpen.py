"""Sharpen the trained autoencoder: ``python -m training.sharpen``. Goes on where it was stopped.

Encoder and decoder learn together, from clips and from stills, which is what a reference image is. Latents stay near
where they were, turned and scaled as they were settled, so that a transformer which has learnt on them need not begin
again: make the clips' latents anew (``training.latents``) and let it go on.

With ``--rehearse`` the decoder alone learns, from clips as the transformer samples them, too: what it is to show in the
end is not what the encoder made of a clip but what sampling arrives at.
"""

from __future__ import annotations

import argparse
import copy

from .host import DEVICE, WORK

# isort: split
import numpy as np
import torch
from comfy.ldm.lightricks.vae.causal_video_autoencoder import VideoVAE

from . import video_autoencoder
from .clips import make_frames, seeded, to_tensor
from .optimizers import Optimizers, falling, own_part
from .processes import PROCESS, PROCESSES
from .progress import Clock, save, sheet
from .video_autoencoder import NOISE_LEARNT, batch, decode, encode, loss_of, noised, psnr

STATE = WORK / "sharpen.pt"
STILLS, CLIPS = 8, 1
NOISE_OF_STILLS = 0.1
"""On half of them: a clip's latents are sampled, a reference image's are hardly off."""
NEAR = 0.05
"""How much a latent's squared distance from where it was counts."""
HELD_OUT = 99


def stills(key: int, first: int, count: int, faces: float = 0.75) -> torch.Tensor:
    """New looks ``[count, 3, 1, size, size]`` in -1..1, mostly at rest as reference images are."""
    drawn = []
    for seed in range(first, first + count):
        random = seeded(key, seed)
        kind = "face" if random.random() < faces else "shapes"
        curve = np.zeros(1) if random.random() < 0.8 else random.random(1)
        drawn.append(to_tensor(make_frames(random, kind, curve)))
    return torch.stack(drawn)


class Lesson:
    """The loss of a step's part of the batch."""

    def __init__(self, vae: VideoVAE, before: VideoVAE, rehearse: int):
        self.vae, self.before = vae, before
        self.rehearsal = None
        if rehearse:
            from .rehearsal import Rehearsal

            self.rehearsal = Rehearsal(range(PROCESS * rehearse // PROCESSES, (PROCESS + 1) * rehearse // PROCESSES))

    def loss(self, part: int) -> torch.Tensor:
        still = stills(98, part * STILLS, STILLS).to(DEVICE)
        clips = batch(5 * 10**6 + part, CLIPS).to(DEVICE)
        still_latents, clip_latents = encode(self.vae, still), encode(self.vae, clips)
        half = torch.randint(2, (STILLS, 1, 1, 1, 1), device=DEVICE)
        error = decode(self.vae, noised(still_latents, NOISE_OF_STILLS * half)).float() - still
        loss = 4 * error.square().mean() + error.abs().mean()
        loss = loss + 0.5 * (error.diff(dim=3).abs().mean() + error.diff(dim=4).abs().mean())
        latents, wanted = noised(clip_latents, NOISE_LEARNT), clips
        if self.rehearsal:
            sampled, drawn = self.rehearsal.batch(part, CLIPS)
            latents, wanted = torch.cat([latents, sampled]), torch.cat([clips, drawn])
        made = decode(self.vae, latents).float()
        loss = loss + loss_of(made, wanted) + 4 * (made - wanted)[:, :, 0].square().mean()
        if self.rehearsal:
            return loss
        with torch.no_grad():
            were = [encode(self.before, one) for one in (still, clips)]
        pairs = zip((still_latents, clip_latents), were, strict=True)
        return loss + NEAR * sum((now.float() - was.float()).square().mean() for now, was in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0, help="of this run")
    parser.add_argument("--total-steps", type=int, default=2200, help="the learning rate falls to nothing there")
    parser.add_argument("--rate", type=float, default=2.5e-4)
    parser.add_argument("--rehearse", type=int, default=0, help="so many sampled clips, and the decoder alone")
    arguments = parser.parse_args()
    vae, autoencoder = video_autoencoder.load()
    if not autoencoder:
        raise FileNotFoundError("train the autoencoder first: python -m training.video_autoencoder")
    before = copy.deepcopy(vae).requires_grad_(False)
    state = torch.load(STATE, map_location="cpu") if STATE.exists() else {}
    if state:
        vae.load_state_dict(state["vae"])
    vae.encoder.requires_grad_(not arguments.rehearse)
    parameters = [one for one in vae.parameters() if one.requires_grad]
    optimizers = Optimizers(parameters, [one for one in parameters if one.ndim > 1], arguments.rate)
    if state:
        optimizers.go_on(state["optimizers"])
    step = state.get("step", 0)
    held_out = {
        "faces": stills(HELD_OUT, 0, 16, faces=1),
        "shapes": stills(HELD_OUT, 16, 16, faces=0),
        "clips": batch(10**6, 12),
    }
    lesson = Lesson(vae, before, arguments.rehearse)
    clock = Clock(arguments.hours, arguments.total_steps, step)
    while step < arguments.total_steps and clock.going():
        torch.manual_seed(own_part(step))
        with torch.autocast(DEVICE.type, torch.bfloat16):
            loss = lesson.loss(own_part(step))
        loss.backward()
        optimizers.step(falling(step, arguments.total_steps, warm=30))
        step += 1
        clock.tick(step, f"loss {loss.item():.4f}")
        if not PROCESS and (step % 100 == 0 or step == arguments.total_steps):
            clock.say(f"step {step}: loss {loss.item():.4f}, held out {look(vae, held_out)}")
            save(STATE, vae=vae.state_dict(), optimizers=optimizers.kept(), step=step)
    if not PROCESS and step >= arguments.total_steps:
        save(video_autoencoder.STATE, **{**autoencoder, "vae": vae.state_dict()})
        STATE.unlink()


@torch.no_grad()
def look(vae: VideoVAE, held_out: dict[str, torch.Tensor]) -> str:
    """Medians of what comes out again, as text; a sheet of it as a picture."""
    said = []
    for name, wanted in held_out.items():
        made = torch.cat([decode(vae, encode(vae, one[None].to(DEVICE))) for one in wanted]).cpu()
        found = [psnr(*pair) for pair in zip(made, wanted, strict=True)]
        said.append(f"{name} {np.median(found):.2f} dB, lowest {min(found):.2f}")
        if name == "clips":
            sheet(WORK / "sharpen.png", torch.cat([wanted, made])[:, :, ::5])
    return "; ".join(said)


if __name__ == "__main__":
    main()
