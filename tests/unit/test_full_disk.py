"""A disk that fills up while something is put aside: what is there already can be read, and nothing stays behind."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import resource, sys, types
from pathlib import Path
package = types.ModuleType("sound_to_video"); package.__path__ = [{root!r}]; sys.modules["sound_to_video"] = package
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
import numpy as np, torch
from sound_to_video.core.audio.spool import Spool
from sound_to_video.core.disk import mapped_tensor
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
random = np.random.default_rng(1)
pieces = [random.standard_normal((1, count)).astype(np.float32) for count in (7000, 7000, 7000, 7000, 50, 9000)]
spool = Spool(folder, 0, iter(pieces))
read = np.concatenate(list(spool.read(0, spool.stop)), axis=1)
assert np.array_equal(read, np.concatenate(pieces, axis=1))
assert mapped_tensor(folder, (100_000,), torch.float32).sum() == 0
assert not list(folder.iterdir()), list(folder.iterdir())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the size of a file is limited by a Unix call")
def test_what_was_put_aside_before_the_disk_was_full_can_be_read(tmp_path):
    script = RUN.format(root=str(ROOT))
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
