"""The host and the pack in this process, for training: import this first."""

import os
import sys
import types
from pathlib import Path

from .processes import CORES

os.environ.setdefault("OMP_NUM_THREADS", str(CORES))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".dev" / "training"
"""Where what is made on the way lies: states to go on from, pictures to look at."""
CHECKPOINT = ROOT / "models" / "sound_to_video_small.safetensors"

package = types.ModuleType("sound_to_video")
package.__path__ = [str(ROOT)]
sys.modules.setdefault("sound_to_video", package)

from sound_to_video.dev_support.host import import_host  # noqa: E402

import_host(WORK / "host")

import comfy.model_management  # noqa: E402
import torch  # noqa: E402

comfy.model_management.in_training = True
torch.set_num_threads(CORES)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
WORK.mkdir(parents=True, exist_ok=True)
