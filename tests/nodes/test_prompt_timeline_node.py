"""Prompt Timeline through the node: beats, cuts, and what the planner makes of them."""

import sys
from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
from server import PromptServer
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families.wan.s2v import WanS2V
from sound_to_video.core.scene.prompts import cut_times, prompt_at
from sound_to_video.nodes._text import text_on_node
from sound_to_video.nodes.prompt_timeline import CUTS, PromptTimeline


class Words:
    """Stands for the host's CLIP, whose real text encoders weigh gigabytes: the conditioning is the prompt's length."""

    def tokenize(self, text: str) -> str:
        return text

    def encode_from_tokens_scheduled(self, tokens: str) -> list:
        return [[torch.full([1, 1, 4], float(len(tokens))), {"prompt": tokens}]]


def clicks(beats_per_minute: float, seconds: float) -> dict:
    rate = 22050
    waveform = torch.zeros([1, 1, round(rate * seconds)])
    for beat in range(int(seconds * beats_per_minute / 60)):
        start = round(beat * 60 / beats_per_minute * rate)
        waveform[..., start : start + 600] = torch.randn(600, generator=torch.Generator().manual_seed(1))
    return {"waveform": waveform * 0.3, "sample_rate": rate}


def test_each_prompt_is_shown_from_its_time_on():
    conditioning = PromptTimeline.execute(Words(), "0:00 verse\n0:06 chorus", CUTS[0])[0]
    plan = WanS2V().plan(12, Fraction(16), conditionings=[conditioning])
    prompts = [prompt_at(conditioning, segment.prompt_seconds) for segment in plan.segments]
    assert [[entry[1]["prompt"] for entry in prompt] for prompt in prompts] == [["verse"]] * 2 + [["chorus"]] * 2
    assert plan.segments[2].latent_start == 25  # its first frame is 97: 6.06 s
    assert [segment.starts_afresh for segment in plan.segments] == [True, False, False, False]


@pytest.mark.slow  # librosa
def test_cuts_fall_on_beats_and_start_segments_afresh():
    timeline = "0:00 verse\n0:05.2 chorus"
    conditioning = PromptTimeline.execute(Words(), timeline, CUTS[1], snap_to_beats_of=clicks(120, 12))[0]
    start, cut = cut_times(conditioning)
    assert start == 0
    assert abs(cut - 5) < 0.06
    plan = WanS2V().plan(12, Fraction(16), conditionings=[conditioning])
    afresh = [segment for segment in plan.segments if segment.starts_afresh]
    assert [segment.latent_start for segment in afresh] == [0, 21]


def test_without_librosa_it_is_said_on_the_node_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(SoundToVideoError) as said:
        PromptTimeline.execute(Words(), "0:00 verse", CUTS[1], snap_to_beats_of=clicks(120, 1))
    assert str(said.value).startswith("Prompt Timeline: finding beats needs the Python package librosa: run")
    assert str(said.value).endswith("then restart it.") and str(said.value).count("librosa") == 2


def test_a_timeline_that_cannot_be_read_is_said_on_the_node():
    with pytest.raises(SoundToVideoError, match=r"^Prompt Timeline: the first line needs a time"):
        PromptTimeline.execute(Words(), "a singer", CUTS[0])


def test_words_on_a_node_go_to_the_browser_that_runs_it(monkeypatch):
    """Another browser may show another workflow that has a node of the same number."""
    sent: list[tuple] = []
    server = SimpleNamespace(client_id="one", send_progress_text=lambda *given: sent.append(given))
    monkeypatch.setattr(PromptServer, "instance", server, raising=False)
    text_on_node("5")("3 prompts")
    server.client_id = None  # queued by a script: nobody looks on
    text_on_node("5")("3 prompts")
    assert sent == [("3 prompts", "5", "one")]
