"""Make what the model learns from: clips as latents, ``python -m training.latents --clips 3000``. Goes on where it was.

Clips are drawn, encoded by the trained autoencoders and kept in files of 64; training reads those that are there.
Several processes (``torchrun``) share the files between them. Each encoder's files have a folder of their own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .host import DEVICE, WORK

# isort: split
import torch
from comfy.ldm.lightricks.vae.audio_vae import AudioVAE
from comfy.ldm.lightricks.vae.causal_video_autoencoder import VideoVAE
from sound_to_video.core.sampling.content import content_key

from . import audio_autoencoder, video_autoencoder
from .clips import curve_of, make_frames, make_sound, seeded, to_tensor
from .config import FRAME_RATE
from .processes import PROCESS, PROCESSES
from .progress import Clock, save

LATENTS = 21
FRAMES = 8 * (LATENTS - 1) + 1
SECONDS = FRAMES / FRAME_RATE
IN_A_FILE = 64
KINDS = ("face", "shapes")


def load_autoencoders() -> tuple[VideoVAE, AudioVAE]:
    """The trained autoencoders, with the statistics that bring latents to about the size of noise.

    Raises:
        FileNotFoundError: one of them was not trained yet.
    """
    for path in (video_autoencoder.STATE, audio_autoencoder.STATE):
        if not path.exists():
            raise FileNotFoundError(f"train the autoencoders first: {path.name} is not there")
    video, audio = video_autoencoder.load()[0], audio_autoencoder.load()[0]
    return video.eval(), audio.eval()


@torch.no_grad()
def make_clip(video: VideoVAE, audio: AudioVAE, seed: int) -> dict:
    """Latents of a new clip: ``picture [21, 128, 4, 4]``, ``sound [n, 8, 16]`` normalised, and its ``kind``."""
    random = seeded(3, seed)
    kind = "face" if random.random() < 0.62 else "shapes"
    samples = make_sound(random, kind, SECONDS + 0.3).samples
    frames = make_frames(random, kind, curve_of(kind, samples, FRAMES))
    with torch.autocast(DEVICE.type, torch.bfloat16):
        picture = video_autoencoder.encode(video, to_tensor(frames)[None].to(DEVICE))
    picture = video.per_channel_statistics.normalize(picture.float())
    sound = audio.encode(torch.from_numpy(samples)[None, None].to(DEVICE), sample_rate=16000)
    return {
        "picture": picture[0].transpose(0, 1).half().cpu(),
        "sound": sound[0].transpose(0, 1)[: FRAMES + 1].half().cpu(),
        "kind": KINDS.index(kind),
    }


def folder_for(video: VideoVAE, audio: AudioVAE) -> Path:
    """Where latents made by these encoders lie, so that those of other ones are never taken for theirs."""
    weights = {**video.state_dict(prefix="video."), **audio.state_dict(prefix="audio.")}
    made_by = {name: one for name, one in weights.items() if not {"decoder", "vocoder"} & set(name.split("."))}
    return WORK / "latents" / content_key(made_by)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.pt"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=3000)
    arguments = parser.parse_args()
    video, audio = load_autoencoders()
    folder = folder_for(video, audio)
    folder.mkdir(parents=True, exist_ok=True)
    count = -(-arguments.clips // IN_A_FILE)
    clock = Clock(24, arguments.clips, 0)
    for number in range(PROCESS, count, PROCESSES):
        path = folder / f"{number:05}.pt"
        if path.exists():
            continue
        clips = []
        for seed in range(number * IN_A_FILE, (number + 1) * IN_A_FILE):
            clips.append(make_clip(video, audio, seed))
            clock.tick(seed, "")
        save(
            path,
            picture=torch.stack([clip["picture"] for clip in clips]),
            sound=torch.stack([clip["sound"] for clip in clips]),
            kind=torch.tensor([clip["kind"] for clip in clips]),
        )
    clock.say(f"{len(files(folder))} files of {IN_A_FILE} clips")


if __name__ == "__main__":
    main()
