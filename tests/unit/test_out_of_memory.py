"""Memory that does not do: what to lower, on the node, and an error that the host still sees for what it is."""

import comfy.model_management
import pytest
import torch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families.ltx.av import LTXAV
from sound_to_video.core.families.memory import OutOfMemory, explained_out_of_memory
from sound_to_video.core.families.wan.humo import HuMo
from sound_to_video.core.families.wan.s2v import WanS2V
from sound_to_video.core.plan import plan_clip
from sound_to_video.core.render import sample_segments
from sound_to_video.core.sampling.host_sampler import HostSampler
from sound_to_video.core.sampling.spool import LatentSpool
from sound_to_video.nodes._errors import named_errors
from sound_to_video.tests.ltx import SETTINGS

WAN = plan_clip(10, 16, WanS2V.grid, WanS2V.segment_length)
LTX = plan_clip(10, 24, LTXAV.grid, LTXAV.segment_length)
HUMO = plan_clip(10, 25, HuMo.grid, HuMo.segment_length)
OF_THE_DEVICE = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


class FailingSampler:
    """A clip of which the first segment fails."""

    def __init__(self, plan, error):
        self.plan, self._error = plan, error

    def begin(self, sampler):
        pass

    def steps_to_begin(self, sampler):
        return 0

    def steps(self, sampler):
        return 1

    def sample(self, segment, history, sampler):
        raise self._error


def too_large() -> Exception:
    """What torch raises on the CPU for more than any machine has."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    return caught.value


LOWER = r"set segment_seconds to \d or less, or lower width and height"
LOWER_SIZE = "lower width and height"  # half of HuMo's 3.9 s would be less than it can go on with


@pytest.mark.parametrize(("plan", "what"), [(WAN, LOWER), (LTX, LOWER), (HUMO, LOWER_SIZE)], ids=["Wan", "LTX", "HuMo"])
@pytest.mark.parametrize("error", [OF_THE_DEVICE, too_large(), MemoryError()], ids=["device", "CPU", "Python"])
def test_every_family_says_what_to_lower(plan, what, error, tmp_path):
    @named_errors("S2V Sampler")
    def execute():
        sample_segments(FailingSampler(plan, error), HostSampler(SETTINGS), LatentSpool(tmp_path))

    message = rf"S2V Sampler: out of memory in a segment of \d+\.\d s: {what}"
    with pytest.raises(SoundToVideoError, match=message) as caught:
        execute()
    assert comfy.model_management.is_oom(caught.value)  # execution.py: the host unloads all models then


def test_before_the_first_segment():
    with (
        pytest.raises(OutOfMemory, match="before the first segment: lower width and height"),
        explained_out_of_memory(WAN),
    ):
        raise OF_THE_DEVICE


def test_any_other_error_stays_what_it_is():
    with pytest.raises(RuntimeError, match=r"^mat1 and mat2") as caught, explained_out_of_memory(WAN, WAN.segments[0]):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert type(caught.value) is RuntimeError and not comfy.model_management.is_oom(caught.value)
