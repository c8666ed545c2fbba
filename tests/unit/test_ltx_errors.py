"""What LTX-2 cannot work with is said before anything is sampled, with what to do."""

from dataclasses import replace
from fractions import Fraction

import comfy.model_management
import pytest
import torch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.families import recognise
from sound_to_video.core.families.memory import check_memory
from sound_to_video.core.features.encoded import HostEncodedAudio
from sound_to_video.core.render import plan_of
from sound_to_video.tests.ltx import inputs_of, our_latents, pictures, sound

pytestmark = pytest.mark.usefixtures("as_in_a_node")


def refused(inputs, message: str) -> None:
    with pytest.raises(SoundToVideoError, match=message):
        recognise({"model": inputs.model}).check(inputs)


def test_audio_of_another_encoder(ltx_models):
    layers = tuple(torch.zeros([1, 50, 1024]) for _ in range(25))
    encoded = HostEncodedAudio({"encoded_audio_all_layers": layers, "audio_samples": 16000})
    inputs = inputs_of(ltx_models, sound(16000))
    inputs = replace(inputs, encoded_audio=encoded)
    refused(
        inputs, r"encoded by wav2vec2 large .* listens to an LTX audio VAE: connect .* to audio_vae of Audio Encode"
    )


@pytest.mark.parametrize(("two_stages", "multiple", "instance"), [(False, 32, "96 or 128"), (True, 64, "64 or 128")])
def test_a_size_off_the_grid(ltx_models, two_stages, multiple, instance):
    options = {"latent_upscale_model": ltx_models.upscaler if two_stages else None}
    inputs = inputs_of(ltx_models, sound(16000), width=100, options=options)
    refused(inputs, f"width 100 is off the grid of LTX-2: it must be a multiple of {multiple}, for instance {instance}")


def test_a_picture_with_alpha(ltx_models):
    inputs = inputs_of(ltx_models, sound(16000), reference_image=torch.rand([1, 64, 64, 4]))
    refused(inputs, "reference image has an alpha channel")


def test_a_control_video(ltx_models):
    refused(inputs_of(ltx_models, sound(16000), control_video=pictures(9)), "takes no control_video: disconnect it")


def test_a_vae_of_another_family(ltx_models, checkpoints):
    import comfy.sd
    import comfy.utils

    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(checkpoints.path("wan_vae"))))
    refused(inputs_of(ltx_models, sound(16000), vae=vae), "VAE does not fit LTX-2: take the VAE of its checkpoint")


@pytest.mark.parametrize("changes", [{"spatial_upsample": False, "temporal_upsample": True}, {"in_channels": 16}])
def test_a_latent_upscale_model_of_another_kind(ltx_models, checkpoints, tmp_path, changes):
    import folder_paths
    from comfy_extras.nodes_hunyuan import LatentUpscaleModelLoader
    from sound_to_video.tests.checkpoints import make_ltx_upscaler

    folder_paths.add_model_folder_path("latent_upscale_models", str(tmp_path))
    make_ltx_upscaler(tmp_path / "other.safetensors", **changes)
    folder_paths.filename_list_cache.clear()
    other = LatentUpscaleModelLoader.execute("other.safetensors")[0]
    refused(inputs_of(ltx_models, sound(16000), options={"latent_upscale_model": other}), "not the spatial x2 upscaler")


@pytest.mark.slow
def test_two_stages_with_a_tiny_autoencoder(ltx_models, checkpoints):
    """One stage goes with it; the upscaler works on latents in the whole VAE's own scale."""
    import comfy.sd
    import comfy.utils

    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(checkpoints.path("taehv_ltx"))))
    inputs = inputs_of(ltx_models, sound(44100), vae=vae)
    (latents,), _ = our_latents(inputs)
    assert latents.isfinite().all()
    refused(
        replace(inputs, options={"latent_upscale_model": ltx_models.upscaler}),
        "needs the whole VAE of the checkpoint",
    )


def test_more_than_the_device_can_hold(ltx_models):
    """A picture so large that one step of 20 s cannot fit into any machine: how much, and what to lower."""
    inputs = inputs_of(ltx_models, sound(44100 * 30), width=16384, height=16384, reference_image=None)
    family = recognise({"model": inputs.model})
    plan = plan_of(family, inputs, 0, 0)
    message = r"segment of 20.0 s at 16384 x 16384 needs about \d+\.\d GB .* has \d+\.\d GB: lower width and height"
    with pytest.raises(SoundToVideoError, match=message):
        family.prepare(inputs, plan)


def test_a_shorter_segment_is_advised_where_it_helps(ltx_models, monkeypatch):
    inputs = inputs_of(ltx_models, sound(44100 * 30), width=3200, height=1792, reference_image=None)
    family = recognise({"model": inputs.model})
    monkeypatch.setattr(comfy.model_management, "get_total_memory", lambda device: 20e9)
    with pytest.raises(SoundToVideoError, match=r"set segment_seconds to \d+ or less") as error:
        check_memory(inputs.model, plan_of(family, inputs, 0, 0), inputs.width, inputs.height, Fraction(1, 8))
    seconds = int(str(error.value).split("segment_seconds to ")[1].split(" ")[0])
    assert 2 <= seconds < 20
    check_memory(inputs.model, plan_of(family, inputs, 0, seconds), inputs.width, inputs.height, Fraction(1, 8))


def test_a_schedule_of_another_family():
    from sound_to_video.core.families.ltx.av import LTXAV
    from sound_to_video.core.families.wan.s2v import WanS2V
    from sound_to_video.core.render import sigmas_for

    with pytest.raises(SoundToVideoError, match="scheduler ltx-2 distilled is not one for Wan2"):
        sigmas_for(WanS2V(), "ltx-2 distilled", None)
    assert sigmas_for(LTXAV(), "ltx-2 distilled", None).tolist()[:2] == pytest.approx([1.0, 0.99375])
    assert sigmas_for(LTXAV(), "simple", None) is None
    given = torch.tensor([1.0, 0.0])
    assert sigmas_for(LTXAV(), "ltx-2 distilled", given) is given
