"""Speakers as the host calls it."""

from types import SimpleNamespace

import pytest
import torch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.frames.regions import Box, columns
from sound_to_video.nodes._sampler import files_loaded
from sound_to_video.nodes.speakers import Speakers
from sound_to_video.tests.unit.test_speakers import noise


def run(**changes):
    defaults = {entry.id: entry.as_dict().get("default") for entry in Speakers.GET_SCHEMA().inputs}
    given = {name: value for name, value in defaults.items() if value is not None}
    sounds = {"audio_1": noise(0.5), "audio_2": noise(0.25, seed=2)}
    return Speakers.execute(**{**given, **sounds, **changes}).args[0]


def test_as_it_is_two_speak_at_once_side_by_side():
    mix = run()
    assert float(mix.duration) == 0.5
    assert [track.region for track in mix.tracks] == columns(2)


def test_three_in_turns_in_columns_with_pauses_whichever_inputs_they_are_on():
    mix = run(audio_4=noise(0.25), mode="in turns", start_seconds_2=0.5, start_seconds_3=7, start_seconds_4=0.5)
    assert float(mix.duration) == 2.0
    assert [track.region for track in mix.tracks] == columns(3)


def test_boxes_and_masks():
    mask = torch.zeros([1, 8, 8])
    mask[:, :, 6:] = 1
    edges = {"left_1": 0.1, "top_1": 0.2, "right_1": 0.3, "bottom_1": 0.4}
    first, second = run(places="boxes", **edges, mask_2=mask).tracks
    assert first.region == Box(0.1, 0.2, 0.3, 0.4)
    assert torch.equal(second.region.drawn(8, 8), mask[0] > 0)
    assert [track.region for track in run(places="boxes").tracks] == columns(2), "as the boxes are, untouched"


class Graph:
    """The part of the host's DynamicPrompt that is asked."""

    def __init__(self, nodes: dict):
        self.get_node, self.has_node = nodes.__getitem__, nodes.__contains__


def test_a_sampler_knows_the_file_of_its_patch():
    """By it a patch for one speaker is told from one for several, which are alike in everything else."""
    file = "wan2.1_infiniteTalk_single_fp16.safetensors"
    nodes = {
        "1": {"inputs": {"name": file}},
        "2": {"inputs": {"model_patch": ["1", 0]}},
        "3": {"inputs": {"model_patch": ["4", 0]}},
        "4": {"inputs": {"name": ["1", 0]}},
        "5": {"inputs": {}},
    }
    found = [files_loaded(SimpleNamespace(dynprompt=Graph(nodes), unique_id=each), ["model_patch"]) for each in "235"]
    assert found == [{"model_patch": file}, {}, {}]
    assert files_loaded(SimpleNamespace(dynprompt=None, unique_id=None), ["model_patch"]) == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"audio_2": None}, "there are fewer than two sounds"),
        ({"audio_2": {"waveform": torch.zeros([1, 1, 0]), "sample_rate": 8000}}, "the audio has 0 samples"),
        ({"mask_1": torch.zeros([1, 8, 8])}, "mask_1 holds nothing: paint the speaker"),
        ({"places": "boxes", "right_2": 0.1}, "the box of speaker 2 is empty"),
        ({"start_seconds_1": float("nan")}, "start_seconds_1 is nan"),
        ({"mode": "at random"}, "there is no mode 'at random': choose together or in turns"),
        ({"places": None}, "there is no places None"),
    ],
)
def test_what_cannot_be(changes, words):
    with pytest.raises(SoundToVideoError, match=f"^Speakers: {words}"):
        run(**changes)
