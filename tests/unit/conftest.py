"""What several unit tests share."""

import pytest
import torch


@pytest.fixture
def as_in_a_node():
    """Without gradients, as the host runs nodes."""
    with torch.inference_mode():
        yield


@pytest.fixture(scope="session")
def ltx_models(checkpoints):
    """The small LTX-2, loaded once."""
    from sound_to_video.tests.ltx import Models

    return Models(checkpoints)


@pytest.fixture(scope="session")
def ltx_2_5_models(checkpoints):
    """The small LTX-2.5, loaded once; skips the test on a host that does not know it."""
    from sound_to_video.tests.ltx import LTX25Models

    return LTX25Models(checkpoints)


@pytest.fixture(params=["LTX-2", "LTX-2.5"])
def each_ltx(request):
    """Either of them; a module's own ``ltx_models`` that is this runs all of its tests on both."""
    return request.getfixturevalue("ltx_models" if request.param == "LTX-2" else "ltx_2_5_models")
