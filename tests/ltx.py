"""What the tests of LTX-2 share: the small models, sound, pictures, and a run of ours from inputs to latents."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import comfyui_version
import folder_paths
import pytest
import torch
from sound_to_video.core.audio import audio_from
from sound_to_video.core.families import ClipSampler, Family, SamplerInputs, recognise
from sound_to_video.core.families.ltx.audio_latents import AudioLatents, encode_with_vae
from sound_to_video.core.families.ltx.versions import LTX_2_5, host_knows
from sound_to_video.core.features.encoded import EncodedAudio
from sound_to_video.core.plan import Plan
from sound_to_video.core.render import plan_of, sample_segments
from sound_to_video.core.sampling.host_sampler import HostSampler, SamplerSettings
from sound_to_video.core.sampling.spool import LatentSpool

SIZE = 64
SETTINGS = SamplerSettings(seed=5, steps=2, cfg=1.0, sampler_name="euler", scheduler="simple")


class Models:
    """The small LTX-2: model, vae, audio_vae, upscaler, loaded by the host's own loaders.

    schedule, sampler_name: of the host's template for it.
    """

    schedule, sampler_name = "ltx-2.3 distilled", "euler"

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


class LTX25Models(Models):
    """The small LTX-2.5, from its split files; skips the test on a host that does not know it."""

    schedule, sampler_name = "ltx-2.5 distilled", "euler_ancestral"

    def __init__(self, checkpoints):
        import comfy.sd
        from comfy_extras.nodes_hunyuan import LatentUpscaleModelLoader

        self.vae = load_ltx_2_5_vae(checkpoints)
        self.audio_vae = load_vae(checkpoints.path("ltx_2_5_audio_vae"))
        self.model = comfy.sd.load_diffusion_model(str(checkpoints.path("ltx_2_5")))
        folder_paths.add_model_folder_path("latent_upscale_models", str(checkpoints.folder / "latent_upscale_models"))
        self.upscaler = LatentUpscaleModelLoader.execute(checkpoints.name("ltx_upscaler"))[0]


def skip_without_ltx_2_5() -> None:
    if not host_knows(LTX_2_5):
        pytest.skip(f"ComfyUI {comfyui_version.__version__} does not know LTX-2.5; {LTX_2_5.first_host} is the first")


def load_ltx_2_5_vae(checkpoints):
    """The small LTX-2.5's video VAE; skips the test on a host that does not know it."""
    skip_without_ltx_2_5()
    return load_vae(checkpoints.path("ltx_2_5_vae"))


def load_vae(path: Path):
    """The host's VAE from a file."""
    import comfy.sd
    import comfy.utils

    weights, metadata = comfy.utils.load_torch_file(str(path), return_metadata=True)
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


def inputs_of(models: Models, audio: dict | EncodedAudio, **changes) -> SamplerInputs:
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
    return SamplerInputs(**values)


def our_latents(
    inputs: SamplerInputs, settings: SamplerSettings = SETTINGS, segment_seconds: float = 0
) -> tuple[list[torch.Tensor], Plan]:
    """The new latents of every segment, and the plan."""
    family = family_of(inputs)
    family.check(inputs)
    plan = plan_of(family, inputs, settings.seed, segment_seconds)
    latents = LatentSpool(folder_paths.get_temp_directory())
    sample_segments(clip_sampler(inputs, plan), HostSampler(settings), latents)
    return list(latents), plan


def clip_sampler(inputs: SamplerInputs, plan: Plan) -> ClipSampler:
    return family_of(inputs).prepare(inputs, plan)


def family_of(inputs: SamplerInputs) -> Family:
    return recognise({"model": inputs.model})
