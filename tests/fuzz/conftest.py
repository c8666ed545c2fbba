import pytest
from sound_to_video.tests.fuzz.rounds import Round


@pytest.fixture
def fuzz_round(request) -> Round:
    """``--fuzz-seed`` and ``--fuzz-minutes`` of this run."""
    return Round(request.config.getoption("--fuzz-seed"), request.config.getoption("--fuzz-minutes"))
