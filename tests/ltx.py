"""What the tests of LTX-2 share: the small models, sound, pictures, and a run of ours from a scene to latents."""

from __future__ import annotations

from fractions import Fraction

import comfyui_version
import folder_paths
import pytest
import torch
from sound_to_video.core.audio import audio_from
from sound_to_video.core.families import ClipSampler, Family, Scene, recognise
from sound_to_video.core.families.ltx.audio_latents import AudioLatents, encode_with_vae
from sound_to_video.core.features.encoded import EncodedAudio
from sound_to_video.core.plan import Plan
from sound_to_video.core.render import plan_scene, sample_segments
from sound_to_video.core.sampling.host_sampler import HostSampler, SamplerSettings
from sound_to_video.core.sampling.spool import LatentSpool

SIZE = 64
SETTINGS = SamplerSettings(seed=5, steps=2, cfg=1.0, sampler_name="euler", scheduler="simple")


class Models:
    """The small LTX-2: model, vae, audio_vae, upscaler, loaded by the host's own loaders."""

    def __init__(self, checkpoints):
        import comfy.sd
        from comfy_extras.nodes_hunyuan import LatentUpscaleModelLoader
        from comfy_extras.nodes_lt_audio import LTXVAudioVAELoader

        for kind in ("checkpoints", "latent_upscale_models"):
            folder_paths.add_model_folder_path(kind, str(checkpoints.folder / kind))
        path = str(checkpoints.path("ltx_av"))
        self.model, _, self.vae, _ = comfy.sd.load_checkpoint_guess_config(path, output_clip=False)
        self.audio_vae = LTXVAudioVAELoader.execute(checkpoints.name("ltx_av"))[0]
        self.upscaler = LatentUpscaleModelLoader.execute(checkpoints.name("ltx_upscaler"))[0]


def load_ltx_2_5_vae(checkpoints):
    """The small LTX-2.5's video VAE; skips the test on a host that does not know it."""
    import comfy.sd
    import comfy.utils

    try:
        import comfy.ldm.lightricks.vae.na_diffusion_decoder
    except ImportError:
        pytest.skip(f"ComfyUI {comfyui_version.__version__} does not know LTX-2.5; 0.32 is the first that does")
    weights, metadata = comfy.utils.load_torch_file(str(checkpoints.path("ltx_2_5_vae")), return_metadata=True)
    return comfy.sd.VAE(sd=weights, metadata=metadata)


def one_decode(vae, latents: torch.Tensor) -> torch.Tensor:
    """All frames ``[n, height, width, 3]`` in one pass of the host's network.

    Where it draws them from noise it gets the pack's own, which does not depend on the length of the clip.
    """
    network = vae.first_stage_model
    if not hasattr(network.decoder, "forward_diff_step"):
        return vae.decode(latents)[0]
    from sound_to_video.core.decoding.ltx_diffusion_vae import noise_of_frame

    context = network.decoder.forward_pre_diffusion(network.per_channel_statistics.un_normalize(latents))
    height, width = (32 * side for side in latents.shape[3:])
    noise = torch.cat([noise_of_frame(number, height, width) for number in range(context.shape[1])], dim=2)
    frames = network.decoder.forward_diff_step(context, noise, torch.ones(1))
    return ((frames + 1) / 2).clamp(0, 1)[0].movedim(0, -1)


def conditioning() -> tuple[list, list]:
    generator = torch.Generator().manual_seed(1)
    positive, negative = (torch.randn([1, 2, 1024], generator=generator) for _ in range(2))
    return [[positive, {}]], [[negative, {}]]


def sound(samples: int, rate: int = 44100, channels: int = 2, seed: int = 2) -> dict:
    """An AUDIO of noise that swells and fades three times a second."""
    generator = torch.Generator().manual_seed(seed)
    swell = (1 + torch.sin(torch.arange(samples) / rate * 3 * 2 * torch.pi)) / 4
    return {"waveform": torch.randn([1, channels, samples], generator=generator) * swell, "sample_rate": rate}


def pictures(count: int = 1, width: int = 80, height: int = 72) -> torch.Tensor:
    return torch.rand([count, height, width, 3], generator=torch.Generator().manual_seed(3))


def encoded(models: Models, audio: dict) -> AudioLatents:
    return encode_with_vae(audio_from(audio), models.audio_vae)


def scene_of(models: Models, audio: dict | EncodedAudio, **changes) -> Scene:
    positive, negative = conditioning()
    values = {
        "model": models.model,
        "vae": models.vae,
        "positive": positive,
        "negative": negative,
        "encoded_audio": audio if isinstance(audio, EncodedAudio) else encoded(models, audio),
        "width": SIZE,
        "height": SIZE,
        "frame_rate": Fraction(24),
        "reference_image": pictures(),
        **changes,
    }
    return Scene(**values)


def our_latents(
    scene: Scene, settings: SamplerSettings = SETTINGS, segment_seconds: float = 0
) -> tuple[list[torch.Tensor], Plan]:
    """The new latents of every segment, and the plan."""
    family = family_of(scene)
    family.check(scene)
    plan = plan_scene(family, scene, settings.seed, segment_seconds)
    latents = LatentSpool(folder_paths.get_temp_directory())
    sample_segments(clip_sampler(scene, plan), HostSampler(settings), latents)
    return list(latents), plan


def clip_sampler(scene: Scene, plan: Plan) -> ClipSampler:
    return family_of(scene).prepare(scene, plan)


def family_of(scene: Scene) -> Family:
    return recognise({"model": scene.model})
