"""Our patches beside those of the host and of other packs, which stand-ins put on the MODEL in the way that they do."""

import types
from dataclasses import replace
from typing import Any

import comfy.ldm.modules.attention
import pytest
import torch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import recognise
from sound_to_video.core.families.ltx import guidance as ltx_guidance
from sound_to_video.core.families.wan import s2v as wan_s2v
from sound_to_video.tests.ltx import SETTINGS, inputs_of, our_latents, sound

ONE_STEP = replace(SETTINGS, sigmas=torch.tensor([0.8, 0.0]))  # its result is the prediction itself
SAMPLES = 44100


pytestmark = pytest.mark.usefixtures("as_in_a_node")


def prediction(ltx_models, model=None, settings=ONE_STEP, audio_scale=1.0, **options) -> torch.Tensor:
    model = model or ltx_models.model
    inputs = inputs_of(
        ltx_models, sound(SAMPLES), model=model, reference_image=None, audio_scale=audio_scale, options=options
    )
    (latents,), _ = our_latents(inputs, settings)
    return latents


def blocks_of(model) -> list:
    return list(model.get_model_object("diffusion_model").transformer_blocks)


# --- EasyCache ---


def easy_cache(model, threshold: float):
    from comfy_extras.nodes_easycache import EasyCacheNode

    return EasyCacheNode.execute(model, threshold, 0.0, 1.0, False)[0]


def counted_passes(model) -> tuple:
    """The MODEL, and a list that gets, for each call of its network, whether picture and sound were apart."""
    calls: list[bool] = []
    patched = model.clone()

    def counted(args, extra):
        calls.append(not args["transformer_options"].get("a2v_cross_attn", True))
        return extra["original_block"](args)

    patched.set_model_patch_replace(counted, "dit", "double_block", 0)
    return patched, calls


@pytest.mark.slow
@pytest.mark.parametrize("guidance", [{"audio_guidance": 3.0}, {"structure_guidance": 1.5}])
def test_easy_cache_that_skips_nothing_changes_nothing(ltx_models, guidance):
    settings = replace(SETTINGS, sigmas=torch.tensor([1.0, 0.9, 0.7, 0.4, 0.0]))
    expected = prediction(ltx_models, settings=settings, **guidance)
    assert not torch.equal(expected, prediction(ltx_models, settings=settings))
    cached = easy_cache(ltx_models.model, threshold=1e-9)
    assert torch.equal(prediction(ltx_models, cached, settings, **guidance), expected)


def test_easy_cache_skips_the_extra_pass_of_a_step_that_it_skips(ltx_models):
    """The difference of a cached and a fresh prediction would be the cache's error, several times over."""
    settings = replace(SETTINGS, sigmas=torch.linspace(1, 0, 13))
    counting, calls = counted_passes(ltx_models.model)
    prediction(ltx_models, easy_cache(counting, threshold=3.0), settings, audio_guidance=3.0)
    assert 4 <= len(calls) <= 20  # of 12 steps with two passes
    assert calls == [False, True] * (len(calls) // 2)


# --- KJNodes (kijai/ComfyUI-KJNodes, nodes/ltxv_nodes.py) ---


def own_attention(self, x, context=None, mask=None, pe=None, k_pe=None, transformer_options=None):
    """As LTX2MemoryEfficientSageAttentionPatch has it: the module's work with a kernel that nobody is asked about."""
    from comfy.ldm.lightricks.model import apply_rotary_emb

    q, k, v = self.q_norm(self.to_q(x)), self.k_norm(self.to_k(x)), self.to_v(x)
    q, k = apply_rotary_emb(q, pe), apply_rotary_emb(k, pe)
    out = comfy.ldm.modules.attention.attention_pytorch(q, k, v, self.heads, _inside_attn_wrapper=True)
    if self.to_gate_logits is not None:
        gates = 2.0 * torch.sigmoid(self.to_gate_logits(x))
        out = (out.unflatten(-1, (self.heads, -1)) * gates.unsqueeze(-1)).flatten(-2)
    return self.to_out(out)


def with_own_attention(model):
    patched = model.clone()
    for index, block in enumerate(blocks_of(model)):
        name = f"diffusion_model.transformer_blocks.{index}.attn1.forward"
        patched.add_object_patch(name, types.MethodType(own_attention, block.attn1))
    return patched


def with_own_block(model, attention=None):
    """As LTX2AttentionTunerPatch has it: a block's forward of its own, which computes the self-attention in place."""
    patched = model.clone()
    attention = attention or (
        lambda q, k, v, heads, options: comfy.ldm.modules.attention.optimized_attention(
            q, k, v, heads, transformer_options=options
        )
    )

    def forward(self, x, *args, transformer_options=None, **kwargs):
        module = self.attn1

        def inline(x, pe=None, mask=None, transformer_options=None):
            from comfy.ldm.lightricks.model import apply_rotary_emb

            q, k, v = module.q_norm(module.to_q(x)), module.k_norm(module.to_k(x)), module.to_v(x)
            q, k = apply_rotary_emb(q, pe), apply_rotary_emb(k, pe)
            return module.to_out(attention(q, k, v, module.heads, transformer_options))

        self._modules["attn1"] = inline  # what the host's forward calls: none of the module's own forward
        try:
            return type(self).forward(self, x, *args, transformer_options=transformer_options, **kwargs)
        finally:
            self._modules["attn1"] = module

    for index, block in enumerate(blocks_of(model)):
        patched.add_object_patch(
            f"diffusion_model.transformer_blocks.{index}.forward", types.MethodType(forward, block)
        )
    return patched


@pytest.mark.slow
@pytest.mark.parametrize("patch", [with_own_attention, with_own_block, lambda m: with_own_block(with_own_attention(m))])
def test_structure_guidance_finds_the_self_attention_behind_a_patch(ltx_models, patch):
    patched = patch(ltx_models.model)
    torch.testing.assert_close(prediction(ltx_models, patched), prediction(ltx_models), rtol=0, atol=2e-5)
    expected = prediction(ltx_models, structure_guidance=1.0)
    assert (expected - prediction(ltx_models)).abs().max() > 0.01
    torch.testing.assert_close(prediction(ltx_models, patched, structure_guidance=1.0), expected, rtol=0, atol=5e-5)


def test_structure_guidance_that_cannot_find_it_says_so(ltx_models):
    def kernel(q, k, v, heads, options):
        return comfy.ldm.modules.attention.attention_pytorch(q, k, v, heads, _inside_attn_wrapper=True)

    patched = with_own_block(ltx_models.model, kernel)
    prediction(ltx_models, patched)
    with pytest.raises(SoundToVideoError, match=r"structure_guidance does not reach .* set structure_guidance to 0"):
        prediction(ltx_models, patched, structure_guidance=1.0)


def test_audio_guidance_with_blocks_that_ignore_the_hosts_switch(ltx_models):
    def forward(self, x, *args, transformer_options=None, **kwargs):
        options = {**transformer_options, "a2v_cross_attn": True, "v2a_cross_attn": True}
        return type(self).forward(self, x, *args, transformer_options=options, **kwargs)

    patched = ltx_models.model.clone()
    for index, block in enumerate(blocks_of(patched)):
        patched.add_object_patch(
            f"diffusion_model.transformer_blocks.{index}.forward", types.MethodType(forward, block)
        )
    expected = prediction(ltx_models, audio_guidance=3.0)
    torch.testing.assert_close(prediction(ltx_models, patched, audio_guidance=3.0), expected, rtol=0, atol=2e-5)


# --- the host's own guidance (0.33) ---


def with_the_hosts(model, node: str):
    """The MODEL behind a guidance node of newer hosts; where this host has none, a stand-in that patches alike."""
    import comfy_extras.nodes_lt as host

    if hasattr(host, node):
        defaults = {"LTXVModalityGuidance": (3.0,), "LTXVSpatioTemporalGuidance": (1.0, "1")}[node]
        return getattr(host, node).execute(model, *defaults, 0.0, 1.0)[0]

    def post_cfg_function(args):
        return args["denoised"]

    post_cfg_function.__qualname__ = f"{node}.execute.<locals>.post_cfg_function"
    patched = model.clone()
    patched.set_model_sampler_post_cfg_function(post_cfg_function)
    return patched


@pytest.mark.parametrize(
    ("node", "ours", "other"),
    [
        ("LTXVModalityGuidance", {"audio_guidance": 3.0}, {"structure_guidance": 1.0}),
        ("LTXVSpatioTemporalGuidance", {"structure_guidance": 1.0}, {"audio_guidance": 3.0}),
    ],
)
def test_guidance_that_the_model_carries_is_not_applied_twice(ltx_models, node, ours, other):
    model = with_the_hosts(ltx_models.model, node)
    name, off = next((name, {"audio_guidance": 1, "structure_guidance": 0}[name]) for name in ours)
    inputs = inputs_of(ltx_models, sound(SAMPLES), model=model, options=ours)
    with pytest.raises(SoundToVideoError, match=f"{name} would be applied twice: .* or set {name} to {off}"):
        recognise({"model": model}).check(inputs)
    recognise({"model": model}).check(replace(inputs, options=other))
    recognise({"model": model}).check(replace(inputs, options={}))


# --- copies of the network: one for each device, one without dynamic memory ---


def test_a_copy_of_wan_runs_its_own_weights(checkpoints):
    import comfy.sd

    first, second = (comfy.sd.load_diffusion_model(str(checkpoints.path("wan_s2v"))) for _ in range(2))
    with torch.no_grad():
        for parameter in second.model.diffusion_model.audio_injector.parameters():
            parameter.mul_(-0.5)
    copied = wan_s2v.InjectedAudio(1.5).on(first).clone(model_override=second.get_clone_model_override())
    generator = torch.Generator().manual_seed(1)
    call = {
        "x": torch.randn([1, 16, 2, 4, 4], generator=generator),
        "timestep": torch.tensor([500.0]),
        "context": torch.randn([1, 2, 1024], generator=generator),
        "audio_embed": torch.randn([1, 25, 1024, 8], generator=generator),
    }

    def run(model) -> torch.Tensor:
        return model.model.diffusion_model(**call, transformer_options=model.model_options["transformer_options"])

    assert torch.equal(run(copied), run(wan_s2v.InjectedAudio(1.5).on(second)))
    assert not torch.equal(run(copied), run(wan_s2v.InjectedAudio(1.5).on(first)))
    assert not torch.equal(run(copied), run(second))


@pytest.mark.slow
def test_a_copy_of_ltx_runs_its_own_weights(ltx_models, checkpoints):
    import comfy.sd

    second, _, _, _ = comfy.sd.load_checkpoint_guess_config(
        str(checkpoints.path("ltx_av")), output_vae=False, output_clip=False
    )
    with torch.no_grad():
        for block in blocks_of(second):
            block.audio_to_video_attn.to_out[0].weight.mul_(-0.5)
    scaled = ltx_guidance.HeardAudio(1.5).on(ltx_models.model)
    guided = ltx_guidance.guided(scaled, ltx_guidance.Guidance(audio=3.0, structure=1.0))
    copied = guided.clone(model_override=second.get_clone_model_override())
    options = {"audio_guidance": 3.0, "structure_guidance": 1.0}
    expected = prediction(ltx_models, second, audio_scale=1.5, **options)
    assert torch.equal(prediction(ltx_models, copied), expected)
    assert not torch.equal(prediction(ltx_models, audio_scale=1.5, **options), expected)


# --- torch.compile ---


@pytest.mark.slow
def test_compiled_blocks_obey_and_are_not_compiled_anew_at_every_step(ltx_models):
    from comfy_api.torch_helpers import set_torch_compile_wrapper
    from torch._dynamo.testing import CompileCounter

    counter: Any = CompileCounter()
    compiled = ltx_models.model.clone()
    keys = [f"diffusion_model.transformer_blocks.{index}" for index in range(len(blocks_of(compiled)))]
    set_torch_compile_wrapper(compiled, backend=counter, keys=keys)
    settings = replace(SETTINGS, sigmas=torch.tensor([1.0, 0.8, 0.0]))
    for changes in ({"audio_scale": 0.5, "audio_guidance": 3.0, "structure_guidance": 1.0}, {}):
        expected = prediction(ltx_models, settings=settings, **changes)
        got = prediction(ltx_models, compiled, settings, **changes)
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-4)
        frames = counter.frame_count
        assert torch.equal(prediction(ltx_models, compiled, settings, **changes), got)
        assert counter.frame_count == frames
