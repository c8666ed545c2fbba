"""LTX-2 from a diffusers folder: the same weights give the same results in diffusers' classes and in the host's.

The tiny models are made, filled and saved by diffusers itself, in shards. Its transformer is an implementation of its
own: that it agrees on the velocity for the same latents, sound, times and masks says that the conditioning is right.
"""

import inspect
import json
import shutil
from contextlib import contextmanager

import comfy.model_base
import comfy.quant_ops
import comfy.sd
import pytest
import torch
from safetensors.torch import save_file
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families.ltx import diffusers as ltx2_folder
from sound_to_video.core.families.ltx.diffusers import load_ltx2_folder
from sound_to_video.tests.checkpoints import make_ltx_2_5_vae
from sound_to_video.tests.ltx import load_vae, skip_without_ltx_2_5

diffusers = pytest.importorskip("diffusers")
FRAME_RATE = 24.0
SIZE = (3, 2, 4)  # latents, rows, columns
AUDIO_LATENTS = 17

TRANSFORMER = {
    "num_layers": 3,
    "num_attention_heads": 2,
    "attention_head_dim": 32,
    "cross_attention_dim": 64,
    "audio_num_attention_heads": 2,
    "audio_attention_head_dim": 16,
    "audio_cross_attention_dim": 32,
    "caption_channels": 64,
    "rope_type": "split",
    "cross_attn_timestep_scale_multiplier": 1,
}
NEWER = {  # what LTX-2.3 has and LTX-2 has not
    "gated_attn": True,
    "audio_gated_attn": True,
    "cross_attn_mod": True,
    "audio_cross_attn_mod": True,
    "use_prompt_embeddings": False,
}


LTX_2_5 = {  # what LTX-2.5 has and LTX-2.3 has not
    "no bias": {"ff_bias": False},
    "no bias for the sound": {"audio_ff_bias": False},
    "a table for the text": {"use_prompt_adaln_single": False},
    "a mark on keyframes": {"use_keyframes_abs_pos_embedding": True},
}
VERSIONS = {
    "LTX-2": {},
    "LTX-2.3": NEWER,
    "LTX-2.5": {**NEWER, **LTX_2_5["no bias"], **LTX_2_5["a mark on keyframes"]},  # as it is published
}


def fill(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Every weight from a seed; scales near 1, statistics positive, filters as they are."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if "filter" in name or "mel_basis" in name or "forward_basis" in name or not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith("latents_std") or ("norm" in name and tensor.ndim == 1):
                tensor.copy_(1 + 0.1 * noise)
            elif tensor.ndim < 2:
                tensor.copy_(0.05 * noise)
            elif "scale_shift_table" in name:
                tensor.copy_(0.5 * noise)
            else:
                tensor.copy_(noise / tensor[0].numel() ** 0.5)
    return module.eval()


def parts(settings: dict) -> dict[str, torch.nn.Module]:
    from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
    from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder, LTX2VocoderWithBWE

    newer = bool(settings)
    width, audio_width = (64, 32) if newer else (64, 64)
    return {
        "transformer": diffusers.LTX2VideoTransformer3DModel(**TRANSFORMER, **settings),
        "connectors": LTX2TextConnectors(
            caption_channels=64,
            text_proj_in_factor=2,
            video_connector_num_attention_heads=2,
            video_connector_attention_head_dim=width // 2,
            video_connector_num_layers=1,
            audio_connector_num_attention_heads=2,
            audio_connector_attention_head_dim=audio_width // 2,
            audio_connector_num_layers=1,
            rope_type="split",
            video_gated_attn=newer,
            audio_gated_attn=newer,
            per_modality_projections=newer,
            video_hidden_dim=64,
            audio_hidden_dim=32,
        ),
        "vae": diffusers.AutoencoderKLLTX2Video(
            block_out_channels=(128, 128, 128, 128),
            decoder_block_out_channels=(16, 32, 64),
            layers_per_block=(1, 2, 1, 1, 1),
            decoder_layers_per_block=(1, 2, 1, 1),
            decoder_causal=False,
        ),
        "audio_vae": diffusers.AutoencoderKLLTX2Audio(ch_mult=(1, 1, 1), num_res_blocks=1),
        "vocoder": LTX2VocoderWithBWE(hidden_channels=64, bwe_hidden_channels=32)
        if newer
        else LTX2Vocoder(hidden_channels=32, upsample_kernel_sizes=[16, 16, 8, 4, 4], upsample_factors=[5, 4, 2, 2, 2]),
    }


@pytest.fixture(scope="module", params=VERSIONS)
def saved(request, tmp_path_factory):
    """A folder saved by diffusers, and its modules."""
    if request.param.startswith("LTX-2.5"):
        skip_without_ltx_2_5()
    folder = tmp_path_factory.mktemp("diffusers") / "ltx-2-tiny"
    modules = parts(VERSIONS[request.param])
    for seed, (name, module) in enumerate(modules.items()):
        fill(module, seed)
        module.save_pretrained(folder / name, max_shard_size="200KB")
    assert len(list((folder / "transformer").glob("*.safetensors"))) > 2
    with torch.inference_mode():
        yield folder, modules, load_ltx2_folder(folder)


pytestmark = [pytest.mark.usefixtures("as_in_a_node"), pytest.mark.slow]  # diffusers takes seconds to import


def joint_inputs(masked: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Picture ``[1, 128, T, H, W]``, sound ``[1, 8, A, 16]``, text ``[1, 5, 64]`` and the picture's mask ``[T]``."""
    generator = torch.Generator().manual_seed(9)
    picture = torch.randn([1, 128, *SIZE], generator=generator)
    sound = torch.randn([1, 8, AUDIO_LATENTS, 16], generator=generator)
    text = torch.randn([1, 5, 64], generator=generator)
    return picture, sound, text, torch.tensor([0.3, 0.0, 1.0] if masked else [1.0, 1.0, 1.0])


@contextmanager
def gates_from_the_other_side(transformer, picture_sigma: torch.Tensor, sound_sigma: torch.Tensor):
    """diffusers as the official code has it where picture and sound are at different noise levels.

    There the modulation between picture and sound follows the token's own time and the gates follow the other side's
    sigma (Lightricks/LTX-2, transformer_args.py); diffusers offers both from the one (``use_cross_timestep`` False) or
    both from the other (True). Here False, with the gates' input put right; it scales both by 1/1000 (multiplier 1).
    """
    hooks = [
        module.register_forward_pre_hook(lambda _, args, sigma=sigma: (sigma.expand_as(args[0]), *args[1:]))
        for module, sigma in (
            (transformer.av_cross_attn_video_a2v_gate, sound_sigma),
            (transformer.av_cross_attn_audio_v2a_gate, picture_sigma),
        )
    ]
    yield
    for hook in hooks:
        hook.remove()


@contextmanager
def picture_as_it_was_for_the_sound(ours):
    """The newer host (0.33) with the one thing put right in which its network is another than the official one.

    There a block normalises the picture once, and both ways of attention between picture and sound start from that, as
    in diffusers and in ComfyUI 0.30. The newer host normalises it anew after the sound's part has been added to it.
    """
    kitchen = comfy.quant_ops.ck
    if "rms_adaln" not in inspect.getsource(type(ours.transformer_blocks[0]).forward):
        yield
        return
    normalise, seen = kitchen.rms_adaln, {"last": None, "before": None}

    def remembering(x, *more):
        x, seen["before"] = (x if seen["before"] is None else seen["before"]), None
        seen["last"] = x.clone()
        return normalise(x, *more)

    def before_the_sounds_part(*_):
        seen["before"] = seen["last"]

    hooks = [
        block.audio_to_video_attn.register_forward_pre_hook(before_the_sounds_part) for block in ours.transformer_blocks
    ]
    kitchen.rms_adaln = remembering
    try:
        yield
    finally:
        kitchen.rms_adaln = normalise
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("masked", [False, True], ids=["all sampled", "image kept, sound given"])
def test_velocity_is_that_of_diffusers(saved, masked):
    _, modules, (model, _, _) = saved
    ours, theirs = model.model.diffusion_model, modules["transformer"]
    picture, sound, text, kept = joint_inputs(masked)
    sigma = torch.tensor([0.7])
    sound_sigma = sigma * 0 if masked else sigma  # given sound has no noise, as in the official code
    tokens = SIZE[1] * SIZE[2]
    picture_times = (kept[:, None].expand(-1, tokens).reshape(1, -1) * sigma)[..., None]
    sound_times = (torch.ones([1, AUDIO_LATENTS]) * sound_sigma)[..., None]
    width = 64 if theirs.config.use_prompt_embeddings else 32
    sound_text = text[..., :width]

    single_frame = torch.zeros([1, SIZE[0] * tokens, 1])
    single_frame[:, :tokens] = 1  # the first latent: the host marks it by itself
    with picture_as_it_was_for_the_sound(ours):
        got_picture, got_sound = ours(
            [picture.clone(), sound.clone()],
            (picture_times, sound_times),
            torch.cat([text, sound_text], dim=-1),
            frame_rate=FRAME_RATE,
            transformer_options={},
        )
    with gates_from_the_other_side(theirs, sigma, sound_sigma):
        want_picture, want_sound = theirs(
            hidden_states=picture.flatten(2).transpose(1, 2),
            audio_hidden_states=sound.transpose(1, 2).flatten(2),
            encoder_hidden_states=text,
            audio_encoder_hidden_states=sound_text,
            timestep=picture_times[..., 0] * 1000,
            audio_timestep=sound_times[..., 0] * 1000,
            sigma=sigma * 1000,
            audio_sigma=sound_sigma * 1000,
            num_frames=SIZE[0],
            height=SIZE[1],
            width=SIZE[2],
            fps=FRAME_RATE,
            audio_num_frames=AUDIO_LATENTS,
            video_keyframes_mask=single_frame,
            return_dict=False,
        )
    want_picture = want_picture.transpose(1, 2).reshape(picture.shape)
    want_sound = want_sound.unflatten(2, (8, 16)).transpose(1, 2)
    assert want_picture.std() > 0.1
    torch.testing.assert_close(got_picture, want_picture, rtol=0, atol=1e-4)
    torch.testing.assert_close(got_sound, want_sound, rtol=0, atol=1e-4)


def test_text_goes_through_the_same_connectors(saved):
    _, modules, (model, _, _) = saved
    theirs = modules["connectors"]
    text = torch.randn([1, 1024, 64], generator=torch.Generator().manual_seed(4))
    every_token = torch.zeros([1, 1, 1, 1024])
    picture, _ = theirs.video_connector(text, every_token)
    ours = model.model.diffusion_model.video_embeddings_connector(text)[0]
    assert picture.std() > 0.1
    torch.testing.assert_close(ours, picture, rtol=0, atol=1e-4)


def test_video_vae_is_that_of_diffusers(saved):
    _, modules, (_, vae, _) = saved
    theirs, generator = modules["vae"], torch.Generator().manual_seed(5)
    frames = torch.rand([9, 64, 96, 3], generator=generator)
    mean = theirs.encode((frames * 2 - 1).permute(3, 0, 1, 2)[None]).latent_dist.mode()
    want = (mean - theirs.latents_mean.view(1, -1, 1, 1, 1)) / theirs.latents_std.view(1, -1, 1, 1, 1)
    got = vae.encode(frames)
    torch.testing.assert_close(got, want, rtol=0, atol=2e-4)

    decoded = theirs.decode(mean, causal=False).sample
    want_frames = (decoded[0].permute(1, 2, 3, 0) / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(vae.decode(got)[0], want_frames, rtol=0, atol=2e-4)


def test_the_diffusion_decoder_is_that_of_diffusers(tmp_path):
    """From the same latents and noise, decoded at once there and in pieces here."""
    skip_without_ltx_2_5()
    from diffusers.models.autoencoders.ltx2_diffusion_decoder import LTX2VideoDiffusionDecoder3d
    from sound_to_video.core.decoding.ltx_diffusion_vae import decode_latents, noise_of_frame

    kernels = {"stage_kernels": [[3, 3, 3]] * 5, "stage5_kernel": [5, 3, 3]}  # theirs wants pictures as large as these
    vae = load_vae(make_ltx_2_5_vae(tmp_path / "vae.safetensors", **kernels))
    names = ("head_dim", "stage_channels", "stage_depths", "stage_kernels", "stage5_kernel", "t_emb_dim")
    settings = vae.first_stage_model.config["decoder"]
    theirs = LTX2VideoDiffusionDecoder3d(**{name: settings[name] for name in names})
    theirs.load_state_dict(as_diffusers_names_the_decoder(vae.first_stage_model.decoder))
    latents = torch.randn([1, 128, 2, 3, 3], generator=torch.Generator().manual_seed(8))
    normalised = vae.first_stage_model.per_channel_statistics.un_normalize(latents)
    context = theirs.forward_stage_4(theirs.forward_stages_1_to_3(normalised))
    noise = torch.cat([noise_of_frame(number, 96, 96) for number in range(9)], dim=2)
    want = (theirs.denoise(context, noise, 1)[0].movedim(0, -1) / 2 + 0.5).clamp(0, 1)
    got = torch.cat(list(decode_latents(vae, [latents], 2)))
    assert want.std() > 0.05
    torch.testing.assert_close(got, want, rtol=0, atol=1e-4)


def as_diffusers_names_the_decoder(decoder: torch.nn.Module) -> dict[str, torch.Tensor]:
    names = {"t_embedder.mlp.0": "t_embedder.timestep_embedder.linear_1", "attn.proj.": "attn.to_out.0."}
    names |= {"t_embedder.mlp.2": "t_embedder.timestep_embedder.linear_2", "q_norm": "norm_q", "k_norm": "norm_k"}
    named: dict[str, torch.Tensor] = {}
    for name, tensor in decoder.state_dict().items():
        for ours, other in names.items():
            name = name.replace(ours, other)
        if ".qkv." in name:
            parts_of_it = zip("qkv", tensor.chunk(3), strict=True)
            named |= {name.replace("qkv", f"to_{part}"): piece for part, piece in parts_of_it}
        else:
            named[name] = tensor
    return named


def test_audio_vae_is_that_of_diffusers(saved):
    _, modules, (_, _, audio_vae) = saved
    theirs, network = modules["audio_vae"], audio_vae.first_stage_model
    mel = torch.randn([1, 2, 41, 64], generator=torch.Generator().manual_seed(6))
    want = theirs.encode(mel).latent_dist.mode()
    mean, _ = network.autoencoder.encode(mel).chunk(2, dim=1)
    torch.testing.assert_close(mean, want, rtol=0, atol=1e-4)
    torch.testing.assert_close(
        network.autoencoder.per_channel_statistics.get_buffer("std-of-means"), theirs.latents_std
    )
    spectrogram = torch.randn([1, 2, 40, 64], generator=torch.Generator().manual_seed(7))
    sound = modules["vocoder"](spectrogram)
    torch.testing.assert_close(network.run_vocoder(spectrogram), sound, rtol=0, atol=2e-4)
    assert network.output_sample_rate == modules["vocoder"].config.output_sampling_rate


def test_what_is_missing_is_named(saved, tmp_path):
    folder, _, _ = saved
    copy = tmp_path / "ltx-2-cut"
    shutil.copytree(folder, copy)
    shard = sorted((copy / "transformer").glob("*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(SoundToVideoError, match=f"ltx-2-cut/transformer lacks {shard.name}"):
        load_ltx2_folder(copy)
    shutil.rmtree(copy / "transformer")
    with pytest.raises(SoundToVideoError, match="does not hold LTX-2"):
        load_ltx2_folder(copy)


def test_weights_of_a_newer_model_are_named(saved, tmp_path):
    folder, _, _ = saved
    copy = tmp_path / "ltx-9"
    shutil.copytree(folder, copy)
    index = next((copy / "transformer").glob("*.index.json"))
    entries = json.loads(index.read_text())
    save_file({"weights_of_another_time": torch.zeros(1, 64)}, str(copy / "transformer" / "more.safetensors"))
    entries["weight_map"]["weights_of_another_time"] = "more.safetensors"
    index.write_text(json.dumps(entries))
    with pytest.raises(SoundToVideoError, match="no place for, such as weights_of_another_time"):
        load_ltx2_folder(copy)


@pytest.mark.parametrize("settings", LTX_2_5.values(), ids=LTX_2_5)
def test_a_host_too_old_for_a_model_is_named(tmp_path, monkeypatch, settings):
    monkeypatch.setattr(ltx2_folder, "host_knows", lambda version: False)
    folder = tmp_path / "ltx-newer"
    transformer = diffusers.LTX2VideoTransformer3DModel(**TRANSFORMER, **NEWER, **settings)
    transformer.save_pretrained(folder / "transformer")
    with pytest.raises(SoundToVideoError, match=r"ltx-newer holds LTX-2.5, which ComfyUI knows from 0.32 on; this is"):
        load_ltx2_folder(folder)


@pytest.mark.parametrize("part", ["connectors", "vae", "audio_vae", "vocoder"])
def test_a_part_of_another_class_is_named(saved, tmp_path, part):
    folder, _, _ = saved
    copy = tmp_path / "ltx-mixed"
    shutil.copytree(folder, copy)
    config = copy / part / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "_class_name": "AnotherKindOfPart"}))
    with pytest.raises(SoundToVideoError, match=f"ltx-mixed/{part} holds AnotherKindOfPart, which is not of LTX-2"):
        load_ltx2_folder(copy)


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("transformer", {"audio_in_channels": 64}),
        ("vae", {"patch_size": 8}),
        ("audio_vae", {"base_channels": 64}),
    ],
)
def test_weights_of_other_shapes_are_named(saved, tmp_path, part, changes):
    folder, _, _ = saved
    copy = tmp_path / "ltx-odd"
    shutil.copytree(folder, copy)
    config = copy / part / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **changes}))
    with pytest.raises(SoundToVideoError, match=rf"ltx-odd/{part} has \d+ weights of other shapes .* such as \w+"):
        load_ltx2_folder(copy)


def test_the_host_takes_them_for_its_own(saved):
    _, _, (model, vae, audio_vae) = saved
    assert isinstance(model.model, comfy.model_base.LTXAV)
    assert isinstance(vae, comfy.sd.VAE) and vae.latent_channels == 128
    assert isinstance(audio_vae, comfy.sd.VAE) and audio_vae.latent_channels == 8
