"""The small model's shape, as the metadata of its checkpoint: what the host builds its own LTX-2 classes from."""

from sound_to_video.core.scene.no_text import SCENE_CHANNELS
from sound_to_video.tests.checkpoints import LTX_AUDIO_VAE, LTX_VIDEO_VAE, LTX_VOCODER

FRAME_RATE = 25  # as many frames a second as the sound has latents: 8 of either to a latent of the picture

VIDEO_VAE = {
    **LTX_VIDEO_VAE,
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
}
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
CONFIG = {"transformer": TRANSFORMER, "vae": VIDEO_VAE, "audio_vae": LTX_AUDIO_VAE, "vocoder": LTX_VOCODER}
