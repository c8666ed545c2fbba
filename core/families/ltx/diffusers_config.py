"""The settings of LTX-2 as diffusers saves them (config.json), as the ``config`` of the original checkpoint.

Sources: ``scripts/convert_ltx2_to_diffusers.py`` of huggingface/diffusers, and what the host reads from the metadata of
the original checkpoint (comfy/model_detection.py, comfy/ldm/lightricks).
"""

from __future__ import annotations

from typing import Any

DOWN_BLOCKS = {"spatial": "compress_space_res", "temporal": "compress_time_res", "spatiotemporal": "compress_all_res"}
UP_BLOCKS = {"spatial": "compress_space", "temporal": "compress_time", "spatiotemporal": "compress_all"}


def transformer_config(ours: dict[str, Any], connectors: dict[str, Any]) -> dict[str, Any]:
    """``config.transformer`` of the original checkpoint from diffusers' configs of transformer and connectors."""
    same = (
        "num_layers",
        "num_attention_heads",
        "attention_head_dim",
        "cross_attention_dim",
        "audio_num_attention_heads",
        "audio_attention_head_dim",
        "audio_cross_attention_dim",
        "in_channels",
        "audio_in_channels",
        "caption_channels",
        "timestep_scale_multiplier",
        "rope_type",
        "ff_bias",
        "audio_ff_bias",
        "use_prompt_adaln_single",
        "use_keyframes_abs_pos_embedding",
    )
    first_linear = {} if ours.get("use_prompt_embeddings", True) else {"caption_projection_first_linear": False}
    return {
        **{name: ours[name] for name in same if name in ours},
        **first_linear,
        "caption_proj_before_connector": not ours.get("use_prompt_embeddings", True),
        "positional_embedding_theta": ours["rope_theta"],
        "positional_embedding_max_pos": [ours["pos_embed_max_pos"], ours["base_height"], ours["base_width"]],
        "audio_positional_embedding_max_pos": [ours["audio_pos_embed_max_pos"]],
        "use_middle_indices_grid": True,
        "causal_temporal_positioning": bool(ours.get("causal_offset", 1)),
        "frequencies_precision": "float64" if ours["rope_double_precision"] else "float32",
        "av_ca_timestep_scale_multiplier": ours["cross_attn_timestep_scale_multiplier"],
        "apply_gated_attention": ours.get("gated_attn", False),
        "cross_attention_adaln": ours.get("cross_attn_mod", False),
        "connector_num_layers": connectors["video_connector_num_layers"],
        "connector_num_attention_heads": connectors["video_connector_num_attention_heads"],
        "connector_attention_head_dim": connectors["video_connector_attention_head_dim"],
        "audio_connector_num_attention_heads": connectors["audio_connector_num_attention_heads"],
        "audio_connector_attention_head_dim": connectors["audio_connector_attention_head_dim"],
        "connector_apply_gated_attention": connectors.get("video_gated_attn", False),
    }


def video_vae_config(ours: dict[str, Any]) -> dict[str, Any]:
    """``config.vae`` of the original checkpoint from diffusers' ``AutoencoderKLLTX2Video`` config."""
    channels, encoder_blocks = ours["latent_channels"], []
    for index, out_channels in enumerate(ours["block_out_channels"]):
        encoder_blocks.append(["res_x", {"num_layers": ours["layers_per_block"][index]}])
        multiplier = out_channels // channels
        encoder_blocks.append([DOWN_BLOCKS[ours["downsample_type"][index]], {"multiplier": multiplier}])
        channels = out_channels
    encoder_blocks.append(["res_x", {"num_layers": ours["layers_per_block"][-1]}])

    layers = list(reversed(ours["decoder_layers_per_block"]))
    factors = list(reversed(ours["upsample_factor"]))
    residuals = list(reversed(ours["upsample_residual"]))
    types = ours.get("upsample_type") or ["spatiotemporal"] * len(factors)
    decoder_blocks: list[list[Any]] = [["res_x", {"num_layers": layers[0], "inject_noise": False}]]
    for kind, factor, residual, layer_count in zip(types, factors, residuals, layers[1:], strict=True):
        decoder_blocks.append([UP_BLOCKS[kind], {"residual": residual, "multiplier": factor}])
        decoder_blocks.append(["res_x", {"num_layers": layer_count, "inject_noise": False}])
    widest = ours["decoder_block_out_channels"][-1]
    for factor in factors:
        widest //= factor
    padding = (ours["encoder_spatial_padding_mode"], ours["decoder_spatial_padding_mode"])
    return {
        "_class_name": "CausalVideoAutoencoder",
        "dims": 3,
        "in_channels": ours["in_channels"],
        "out_channels": ours["out_channels"],
        "latent_channels": ours["latent_channels"],
        "encoder_base_channels": ours["latent_channels"],
        "decoder_base_channels": widest,
        "encoder_blocks": encoder_blocks,
        "decoder_blocks": list(reversed(decoder_blocks)),
        "norm_layer": "pixel_norm",
        "patch_size": ours["patch_size"],
        "latent_log_var": "uniform",
        "causal_decoder": ours["decoder_causal"],
        "timestep_conditioning": ours["timestep_conditioning"],
        **({"spatial_padding_mode": padding[0]} if padding[0] == padding[1] else {}),
    }


def audio_vae_config(ours: dict[str, Any]) -> dict[str, Any]:
    """``config.audio_vae`` of the original checkpoint from diffusers' ``AutoencoderKLLTX2Audio`` config."""
    network = {
        "double_z": ours["double_z"],
        "mel_bins": ours["mel_bins"],
        "z_channels": ours["latent_channels"],
        "resolution": ours["resolution"],
        "downsample_time": False,
        "in_channels": ours["in_channels"],
        "out_ch": ours["output_channels"],
        "ch": ours["base_channels"],
        "ch_mult": list(ours["ch_mult"]),
        "num_res_blocks": ours["num_res_blocks"],
        "attn_resolutions": list(ours["attn_resolutions"] or []),
        "dropout": ours["dropout"],
        "mid_block_add_attention": ours["mid_block_add_attention"],
        "norm_type": ours["norm_type"],
        "causality_axis": ours["causality_axis"],
    }
    return {
        "model": {"params": {"sampling_rate": ours["sample_rate"], "ddconfig": network}},
        "preprocessing": {"stft": {"filter_length": 1024, "hop_length": ours["mel_hop_length"]}},
    }


def vocoder_config(ours: dict[str, Any]) -> dict[str, Any]:
    """``config.vocoder`` from diffusers' ``LTX2Vocoder`` (LTX-2) or ``LTX2VocoderWithBWE`` (LTX-2.3) config."""
    if not any(name.startswith("bwe_") for name in ours):
        return {**_generator_config(ours), "output_sample_rate": ours["output_sampling_rate"]}
    second = _generator_config({k.removeprefix("bwe_"): v for k, v in ours.items() if k.startswith("bwe_")})
    rates = {"input_sampling_rate": ours["input_sampling_rate"], "output_sampling_rate": ours["output_sampling_rate"]}
    mel = {"hop_length": ours["hop_length"], "n_fft": ours["filter_length"], "num_mels": ours["num_mel_channels"]}
    return {"vocoder": _generator_config(ours), "bwe": {**second, **rates, **mel}}


def _generator_config(ours: dict[str, Any]) -> dict[str, Any]:
    plain = ours["act_fn"] == "leaky_relu"
    return {
        "resblock": "1" if plain else "AMP1",
        "upsample_initial_channel": ours["hidden_channels"],
        "upsample_rates": list(ours["upsample_factors"]),
        "upsample_kernel_sizes": list(ours["upsample_kernel_sizes"]),
        "resblock_kernel_sizes": list(ours["resnet_kernel_sizes"]),
        "resblock_dilation_sizes": [list(dilations) for dilations in ours["resnet_dilations"]],
        "stereo": ours["out_channels"] == 2,
        "activation": "snake" if plain else ours["act_fn"],
        "use_bias_at_final": ours["final_bias"],
        "use_tanh_at_final": ours["final_act_fn"] == "tanh",
        "apply_final_activation": ours["final_act_fn"] is not None,
    }
