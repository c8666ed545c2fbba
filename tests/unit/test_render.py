"""A clip without a node: what a script or another machine's worker makes is what the node makes."""

from types import SimpleNamespace

import comfy.utils
import folder_paths
import pytest
import torch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import FAMILIES
from sound_to_video.core.families.ltx.av import LTXAV
from sound_to_video.core.families.ltx.clip_sampler import LTXAVClipSampler
from sound_to_video.core.render import render
from sound_to_video.core.sampling.spool import LatentSpool
from sound_to_video.nodes._sampler import run_sampler, segments_folder
from sound_to_video.nodes.s2v_sampler import S2VSampler
from sound_to_video.tests import ltx

pytestmark = pytest.mark.usefixtures("as_in_a_node")


@pytest.fixture
def wired(ltx_models) -> dict:
    """What a script has to give: no input that has a neutral default."""
    positive, negative = ltx.conditioning()
    return {
        "model": ltx_models.model,
        "vae": ltx_models.vae,
        "positive": positive,
        "negative": negative,
        "encoded_audio": ltx.encoded(ltx_models, ltx.sound(44100)),
        "reference_image": ltx.pictures(),
        "width": 64,
        "height": 64,
        "seed": 5,
        "steps": 2,
        "cfg": 1.0,
        "sampler_name": "euler",
        "scheduler": "simple",
    }


def as_the_node_runs(wired: dict):
    defaults = {entry.id: entry.default for entry in S2VSampler.define_schema().inputs if hasattr(entry, "default")}
    return run_sampler(SimpleNamespace(unique_id=None, dynprompt=None), {**defaults, **wired, "keep_segments": False})


@pytest.mark.slow
def test_a_clip_without_a_node_is_the_nodes_to_the_bit(wired, tmp_path):
    said: list[str] = []
    rendered = render(wired, tmp_path, report=said.append)
    video, latents = as_the_node_runs(wired).args
    assert torch.equal(rendered.latents.tensor(), latents["samples"])
    ours, the_nodes = rendered.video.get_components(), video.get_components()
    assert torch.equal(ours.images, the_nodes.images)
    assert torch.equal(ours.audio["waveform"], the_nodes.audio["waveform"])
    assert rendered.family in FAMILIES and rendered.plan.frame_count == len(ours.images)
    assert said[0] == said[-1] == rendered.plan.describe()


@pytest.mark.slow
def test_a_pass_before_the_segments_counts_in_the_progress_bar(wired, tmp_path, monkeypatch):
    class WithAFirstPass(LTXAVClipSampler):
        def steps_to_begin(self, sampler):
            return self.steps(sampler)

        def begin(self, sampler):
            self.sample(self.plan.segments[0], LatentSpool(tmp_path).from_here(), sampler)

    shown: list[tuple[int, int]] = []
    monkeypatch.setattr(LTXAV, "clip_sampler", WithAFirstPass)
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, *_, **__: shown.append((value, total)))
    rendered = render(wired, tmp_path)
    steps = wired["steps"] * (1 + len(rendered.plan.segments))
    done = [value for value, _ in shown]  # the host leaves out what comes too soon after another
    assert done == sorted(set(done)) and done[-1] == steps
    assert {total for _, total in shown} == {steps}


def test_what_cannot_be_is_said_before_any_work(wired, tmp_path):
    with pytest.raises(SoundToVideoError, match="there is no sampler 'none'"):
        render({**wired, "sampler_name": "none"}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_segments_lie_where_no_route_serves_them_and_those_of_before_come_along(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "user_directory", str(tmp_path))
    earlier = tmp_path / "sound_to_video" / "segments"
    earlier.mkdir(parents=True)
    (earlier / "one.segment").write_bytes(b"latents")
    folder = segments_folder()
    assert folder == tmp_path / "__sound_to_video" / "segments"
    assert (folder / "one.segment").read_bytes() == b"latents" and not earlier.exists()
    assert segments_folder() == folder
    monkeypatch.setenv("SOUND_TO_VIDEO_SEGMENTS", str(tmp_path / "shared"))
    assert segments_folder() == tmp_path / "shared"
