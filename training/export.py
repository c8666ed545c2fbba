"""Put what was trained into one checkpoint as LTX-2's are: ``python -m training.export``.

float16, with the shape as metadata, for the host's Load Checkpoint and Load LTXV Audio VAE. The vocoder, which would
turn latents of sound into sound, is not trained: the clip's sound is always the one that went in.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .host import CHECKPOINT

# isort: split
import torch
from safetensors.torch import save_file

from . import motion
from .config import CONFIG
from .latents import load_autoencoders


def write_checkpoint(path: Path) -> None:
    video, audio = load_autoencoders()
    state = motion.load()[1]
    if not state:
        raise FileNotFoundError("train the transformer first: python -m training.motion")
    torch.manual_seed(6)
    for parameter in audio.vocoder.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    weights = {f"model.diffusion_model.{name}": value for name, value in state["averaged"].items()}
    weights |= {f"vae.{name}": value for name, value in video.state_dict().items()}
    for name, value in audio.state_dict().items():
        prefix, _, rest = name.partition(".")
        weights[{"autoencoder": "audio_vae.", "vocoder": "vocoder."}[prefix] + rest] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: value.half().contiguous() if value.is_floating_point() else value for name, value in weights.items()
    }
    metadata = {"config": json.dumps(CONFIG), "license": "CC0-1.0", "title": "Sound to Video, small"}
    save_file({name: value.clone() for name, value in tensors.items()}, path, metadata=metadata)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, after {state['step']} steps")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=CHECKPOINT)
    write_checkpoint(parser.parse_args().to)


if __name__ == "__main__":
    main()
