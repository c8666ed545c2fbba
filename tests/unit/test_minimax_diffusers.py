"""MiniMax H3's network in ComfyUI and in diffusers, an implementation of its own: the same weights, the same velocity.

What is said of noise levels by the host's masks is said to diffusers row by row: the sound is given, the known start
is a condition, the rest is sampled.
"""

import pytest
import torch
from sound_to_video.tests.checkpoints import MINIMAX_H3
from sound_to_video.tests.minimax import Models

diffusers = pytest.importorskip("diffusers")
transformer = pytest.importorskip("diffusers.models.transformers.transformer_minimax_h3")
layout = pytest.importorskip("diffusers.modular_pipelines.minimax_h3.before_denoise")

LATENTS, HEIGHT, WIDTH = 7, 4, 6
SOUND, TEXT, KNOWN = 37, 6, 1
NAMES = {  # of parts, in ComfyUI and in diffusers
    "video_patch_proj": "proj_in",
    "audio_patch_proj": "audio_proj_in",
    "condition_proj": "context_embedder",
    "time_embedder.proj_in": "time_embedder.linear_1",
    "time_embedder.proj_out": "time_embedder.linear_2",
    "token_refiner.blocks": "token_refiner.refiner_blocks",
    "final_layer.norm": "norm_out.norm",
    "final_layer.adaln_proj.linear": "norm_out.linear",
    "final_layer.video_out": "proj_out",
    "final_layer.audio_out": "audio_proj_out",
    ".q_norm": ".norm_q",
    ".k_norm": ".norm_k",
    ".out_proj": ".to_out.0",
    ".mlp.fc1": ".ff.net.0.proj",
    ".mlp.fc2": ".ff.net.2",
}


def of_diffusers(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    named = {}
    for name, tensor in weights.items():
        for ours, theirs in NAMES.items():
            name = name.replace(ours, theirs)
        if name.startswith("blocks."):
            name = f"transformer_{name}"
        if "qkv_proj" in name:
            for part, third in zip("qkv", tensor.chunk(3), strict=True):
                named[name.replace("qkv_proj", f"to_{part}")] = third
        elif name.endswith("ff.net.0.proj.weight"):  # which half is the gate
            named[name] = torch.cat(tensor.chunk(2)[::-1])
        elif name != "rope.inv_freq":
            named[name] = tensor
    return named


def theirs_of(network) -> torch.nn.Module:
    sizes = MINIMAX_H3
    model = transformer.MiniMaxH3Transformer3DModel(
        num_attention_heads=sizes["num_attention_heads"],
        attention_head_dim=sizes["attention_head_dim"],
        hidden_size=sizes["hidden_size"],
        num_layers=sizes["num_layers"],
        num_refiner_layers=sizes["token_refiner_num_layers"],
        ffn_dim=sizes["ffn_hidden_size"],
        text_dim=sizes["text_dim"],
        freq_dim=sizes["timestep_input_dim"],
        time_embed_hidden_dim=sizes["time_embed_hidden_size"],
        time_embed_dim=sizes["time_embed_dim"],
        rope_freq_dim=sizes["rope_inv_freq_len"],
    )
    model.load_state_dict(of_diffusers(network.state_dict()))
    return model.eval()


@pytest.mark.parametrize("masked", [False, True], ids=["all sampled", "sound given, start known"])
def test_velocity_is_that_of_diffusers(checkpoints, masked):
    network = Models(checkpoints).model.model.diffusion_model
    theirs = theirs_of(network)
    draw = torch.Generator().manual_seed(3)
    picture = torch.randn([1, 24, LATENTS, HEIGHT, WIDTH], generator=draw)
    sound = torch.randn([1, 32, 2, SOUND], generator=draw)
    text = torch.randn([1, TEXT, 1024], generator=draw)
    sigma = 0.8
    level = sigma / (12 - 11 * sigma)  # before the shifts, 12 of the picture and 3 of the sound
    sound_sigma = 3 * level / (1 + 2 * level)
    kept, kept_sound = torch.ones([1, 1, LATENTS, HEIGHT, WIDTH]), torch.ones([1, 1, 2, SOUND])
    if masked:
        kept[:, :, :KNOWN], kept_sound[:] = 0, 0

    with torch.inference_mode():
        got_picture, got_sound = network(
            [picture.clone(), sound.clone()],
            torch.tensor([1000 * sigma]),
            text,
            transformer_options={},
            denoise_mask=kept if masked else None,
            audio_denoise_mask=kept_sound if masked else None,
        )

        rows = (HEIGHT // 2) * (WIDTH // 2)
        frame, width_grid = layout._frame_position_grid(HEIGHT, WIDTH, 2, 2)
        positions = torch.zeros([TEXT + 2 * SOUND + LATENTS * rows, 3], dtype=torch.float64)
        positions[:TEXT, 0] = torch.arange(TEXT)
        heard = slice(TEXT, TEXT + 2 * SOUND)
        layout._fill_audio_positions(positions, heard, SOUND, float(TEXT), width_grid, 2)
        seen = positions[heard.stop :].view(LATENTS, rows, 3)
        seen[..., 0] = layout._temporal_position_grid(LATENTS, float(TEXT))[:, None]
        seen[..., 1:] = frame
        times = torch.tensor([1 - sigma, 1 - sound_sigma, 0.999, 1.0])
        which = torch.zeros(len(positions), dtype=torch.long)
        which[heard] = 3 if masked else 1
        which[heard.stop :][: KNOWN * rows] = 2 if masked else 0
        tags = torch.zeros(len(positions), dtype=torch.long)
        tags[:TEXT], tags[heard] = 1, 2
        every = torch.arange(len(positions))
        want_picture, want_sound = theirs(
            hidden_states=layout.patchify_video_latents(picture, (1, 2, 2))[None],
            audio_hidden_states=sound[0].permute(1, 2, 0).reshape(1, 2 * SOUND, 32),
            encoder_hidden_states=text,
            timestep=times,
            timestep_indices=which,
            token_tags=tags,
            position_ids=positions,
            video_indices=every[heard.stop :],
            audio_indices=every[heard],
            text_indices=every[:TEXT],
            return_dict=False,
        )
    assert want_picture.std() > 0.1 and want_sound.std() > 0.1
    got_picture = layout.patchify_video_latents(got_picture, (1, 2, 2))[None]
    got_sound = got_sound[0].permute(1, 2, 0).reshape(1, 2 * SOUND, 32)
    torch.testing.assert_close(-got_picture, want_picture, rtol=0, atol=1e-4)  # the host counts the other way round
    torch.testing.assert_close(-got_sound, want_sound, rtol=0, atol=1e-4)
