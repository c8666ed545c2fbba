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
