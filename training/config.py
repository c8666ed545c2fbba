"""The small model's shape, as the metadata of its checkpoint: what the host builds its own LTX-2 classes from."""

from sound_to_video.core.scene.no_text import SCENE_CHANNELS

FRAME_RATE = 25  # as many frames a second as the sound has latents: 8 of either to a latent of the picture

VIDEO_VAE = {
    "_class_name": "CausalVideoAutoencoder",
    "dims": 3,
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 128,
    "encoder_base_channels": 24,
    "decoder_base_channels": 64,
    "encoder_blocks": [
        ["compress_all_x_y", {"multiplier": 2}],
        ["res_x", {"num_layers": 1}],
        ["compress_all_x_y", {"multiplier": 2}],
        ["res_x", {"num_layers": 1}],
        ["compress_all_x_y", {"multiplier": 2}],
    ],
    "decoder_blocks": [  # from the picture to the latent
        ["res_x", {"num_layers": 2, "inject_noise": False}],
        ["compress_all", {"multiplier": 1}],
        ["res_x", {"num_layers": 2, "inject_noise": False}],
        ["compress_all", {"multiplier": 1}],
        ["res_x", {"num_layers": 1, "inject_noise": False}],
        ["compress_all", {"multiplier": 2}],
        ["res_x", {"num_layers": 1, "inject_noise": False}],  # by this block the host knows an LTX VAE
    ],
    "norm_layer": "pixel_norm",
    "patch_size": 4,
    "latent_log_var": "uniform",
    "causal_decoder": False,
    "timestep_conditioning": False,
}
AUDIO_VAE = {
    "model": {
        "params": {
            "sampling_rate": 16000,
            "ddconfig": {
                "double_z": True,
                "mel_bins": 64,
                "z_channels": 8,
                "resolution": 256,
                "downsample_time": False,
                "in_channels": 2,
                "out_ch": 2,
                "ch": 16,
                "ch_mult": [1, 2, 4],
                "num_res_blocks": 1,
                "attn_resolutions": [],
                "dropout": 0.0,
                "mid_block_add_attention": False,
                "norm_type": "pixel",
                "causality_axis": "height",
            },
        }
    },
    "preprocessing": {"stft": {"filter_length": 1024, "hop_length": 160}},
}
VOCODER = {"resblock": "1", "upsample_initial_channel": 32, "stereo": True}

TRANSFORMER = {
    "num_layers": 4,
    "num_attention_heads": 5,
    "attention_head_dim": 32,
    "cross_attention_dim": 160,
    "audio_num_attention_heads": 5,
    "audio_attention_head_dim": 16,
    "audio_cross_attention_dim": 80,
    "caption_channels": SCENE_CHANNELS,
    "connector_num_layers": 0,
    "connector_num_attention_heads": 1,
    "connector_attention_head_dim": SCENE_CHANNELS,
    "audio_connector_num_attention_heads": 1,
    "audio_connector_attention_head_dim": SCENE_CHANNELS,
    "use_middle_indices_grid": True,
    "causal_temporal_positioning": True,
    # with 20 s a quarter of so few frequencies would turn by more than a circle from one latent to the next
    "positional_embedding_max_pos": [150, 2048, 2048],
    "audio_positional_embedding_max_pos": [150],
    "rope_type": "split",
    "frequencies_precision": "float64",
}
CONFIG = {"transformer": TRANSFORMER, "vae": VIDEO_VAE, "audio_vae": AUDIO_VAE, "vocoder": VOCODER}
