"""Stopped runs of models as people load them are found again, and never those of another model."""

from collections.abc import Callable
from functools import partial
from typing import Any

import folder_paths
import pytest
import torch
from sound_to_video.core.audio import audio_from
from sound_to_video.core.families import FAMILIES, SamplerInputs, recognise
from sound_to_video.core.render import plan_of, sample_segments
from sound_to_video.core.sampling.host_sampler import HostSampler, SamplerSettings
from sound_to_video.core.sampling.model_key import upstream_graph
from sound_to_video.core.sampling.spool import LatentSpool
from sound_to_video.core.sampling.store import SegmentStore
from sound_to_video.core.scene.prompts import placed
from sound_to_video.tests import ltx
from sound_to_video.tests.families import Small, small
from sound_to_video.tests.quantised import load_quantised

SETTINGS = SamplerSettings(seed=5, steps=1, cfg=1.0, sampler_name="euler", scheduler="simple")
SEGMENT_SECONDS = 0.5


pytestmark = pytest.mark.usefixtures("as_in_a_node")


class Stop(Exception):
    pass


def sampled(
    inputs: SamplerInputs,
    store: SegmentStore | None,
    stop_at: str = "never",
    graph: Callable[[str], Any] = lambda name: None,
) -> tuple[torch.Tensor, int]:
    """The clip's latents, and how many runs of the sampler were found finished."""

    def say(text: str) -> None:
        if stop_at in text:
            raise Stop

    family = recognise({"model": inputs.model, **(inputs.options or {})})
    family.check(inputs)
    host = HostSampler(SETTINGS, store, graph)
    latents = LatentSpool(folder_paths.get_temp_directory())
    clip_sampler = family.prepare(inputs, plan_of(family, inputs, SETTINGS.seed, SEGMENT_SECONDS))
    sample_segments(clip_sampler, host, latents, say)
    return latents.tensor().clone(), host.resumed_runs


def inputs_of(loaded: Small) -> Callable[[Any], SamplerInputs]:
    """What makes a sampler's inputs of a MODEL of a family: a sound of at least two segments, always the same."""
    family = loaded.family
    rate = family.rate(0)
    longest = family.grid.frame_count(family.segment_length_for(rate, SEGMENT_SECONDS).latent_count)
    encoded = loaded.encoded(audio_from(ltx.sound(round(1.5 * longest / rate * 16000), 16000)))
    return lambda model: ltx.inputs_of(loaded, encoded, model=model, frame_rate=rate, options=loaded.options)


@pytest.fixture(scope="module")
def wan_inputs(checkpoints):
    return inputs_of(small("wan_s2v", checkpoints))


@pytest.fixture(params=[family.id for family in FAMILIES])
def kind(request, checkpoints):
    """The checkpoint's name, and what makes a sampler's inputs of a MODEL of it."""
    loaded = small(request.param, checkpoints)
    return loaded.file, inputs_of(loaded)


@pytest.mark.slow
def test_a_stopped_run_of_a_quantised_model_goes_on(checkpoints, kind, tmp_path):
    """ComfyUI-GGUF's layers answer state_dict() with empty tensors: reading numbers of those stopped every run."""
    name, inputs = kind
    store = SegmentStore(tmp_path)

    def model(seed: int = 0):
        return load_quantised(checkpoints.path(name), seed)

    undisturbed, _ = sampled(inputs(model()), None)
    with pytest.raises(Stop):
        sampled(inputs(model()), store, stop_at="segment 2")
    latents, resumed = sampled(inputs(model()), store)
    assert (resumed, store.trouble) == (1, None)
    assert latents.equal(undisturbed)
    assert sampled(inputs(model(seed=1)), store)[1] == 0


@pytest.mark.slow
def test_patches_of_a_quantised_model_count_and_its_loading_does_not(checkpoints, wan_inputs, tmp_path):
    store = SegmentStore(tmp_path)
    model = load_quantised(checkpoints.path("wan_s2v"))
    patched = model.clone()
    name = "diffusion_model.blocks.0.self_attn.q.weight"
    patched.add_patches({name: (torch.full([48, 48], 0.5),)}, 0.7)
    first, _ = sampled(wan_inputs(model), store)
    second, resumed = sampled(wan_inputs(patched), store)
    assert resumed == 0
    assert not second.equal(first)
    for each in (model, patched, load_quantised(checkpoints.path("wan_s2v"))):
        assert sampled(wan_inputs(each), store)[1] > 1


def test_what_has_no_name_is_not_kept_and_stops_nothing(checkpoints, wan_inputs, tmp_path, caplog):
    import comfy.sd

    model = comfy.sd.load_diffusion_model(str(checkpoints.path("wan_s2v")))
    undisturbed, _ = sampled(wan_inputs(model), None)
    model.add_patches({"diffusion_model.blocks.0.self_attn.q.weight": (torch.eye(48).to_sparse(),)}, 0.0)
    store = SegmentStore(tmp_path)
    latents, resumed = sampled(wan_inputs(model), store)
    assert resumed == 0
    assert latents.equal(undisturbed)
    assert store.trouble is not None
    assert store.trouble.startswith("finished segments are not kept: ")
    assert caplog.text.count("finished segments are not kept") == 1
    assert not list(tmp_path.iterdir())


def prompted(text: str, later: int) -> tuple[list, Callable[[str], Any]]:
    """What a Prompt Timeline with another text from its second time on gives, and the graph of nodes around it."""
    from comfy_execution.graph import DynamicPrompt

    (first, _), (negative, _) = ltx.conditioning()[0][0], ltx.conditioning()[1][0]
    positive = placed([[first, {}]], 0, False) + placed([[negative + later, {}]], SEGMENT_SECONDS, False)
    nodes = {
        "text": {"class_type": "SoundToVideo_PromptTimeline", "inputs": {"timeline": text}},
        "model": {"class_type": "UNETLoader", "inputs": {"unet_name": "model.safetensors"}},
        "clip": {
            "class_type": "SoundToVideo_A2VSampler",
            "inputs": {"model": ["model", 0], "positive": ["text", 0], "negative": ["text", 0]},
        },
    }
    return positive, partial(upstream_graph, DynamicPrompt(nodes), "clip")


@pytest.mark.slow
def test_another_prompt_later_on_keeps_the_segments_before_it(ltx_models, tmp_path):
    """The words are in the conditioning; the graph is asked only where that holds something without a name."""
    store = SegmentStore(tmp_path)

    def run(text: str, later: int) -> tuple[int, int]:
        positive, graph = prompted(text, later)
        inputs = ltx.inputs_of(ltx_models, ltx.sound(44100), positive=positive)
        before = len(list(tmp_path.iterdir()))
        resumed = sampled(inputs, store, graph=graph)[1]
        return resumed, len(list(tmp_path.iterdir())) - before

    found, kept = run("0:00 a singer", 0)
    assert found == 0
    assert kept >= 2
    assert run("0:00 a singer", 0) == (kept, 0)
    found_again, kept_anew = run("0:00 a singer 0:01 rain", 1)
    assert found_again >= 1
    assert kept_anew >= 1
    assert found_again + kept_anew == kept
