"""A reference image that is partly noised at first ends without noise, as it does with the official pipeline."""

from dataclasses import replace

import pytest
import torch
from sound_to_video.core.families.ltx.av import SCHEDULES
from sound_to_video.tests.ltx import SETTINGS, inputs_of, our_latents, sound

pytestmark = pytest.mark.usefixtures("as_in_a_node")
DISTILLED = torch.tensor(SCHEDULES["ltx-2.3 distilled"][0])


class PerfectNetwork:
    """In place of the network's call: the velocity that leads from what comes in to the clip, whose noise it sees.

    A token at noise level t holds ``(1 - t) clean + t noise``: its velocity is ``(x - clean) / t``.
    """

    def __init__(self, clean: torch.Tensor):
        self.clean = clean

    def __call__(self, executor, x, timestep, *args, denoise_mask=None, **kwargs):
        picture, sound = x
        sigma = kwargs["transformer_options"]["sigmas"] if "transformer_options" in kwargs else args[3]["sigmas"]
        level = (denoise_mask * sigma).clamp(min=1e-6)
        return [(picture - self.clean) / level, torch.zeros_like(sound)]


def sampled(ltx_models, strength: float, sigmas=DISTILLED, **options) -> tuple[torch.Tensor, torch.Tensor]:
    """The latents of a clip in which the reference stands still, and the reference's own."""
    import comfy.patcher_extension

    audio = sound(44100)
    inputs = inputs_of(ltx_models, audio, options={"image_strength": strength, **options})
    reference = ltx_models.model.model.latent_format.process_in(first_latent(ltx_models))
    model = ltx_models.model.clone()
    model.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, "perfect", PerfectNetwork(reference))
    (latents,), _ = our_latents(replace(inputs, model=model), replace(SETTINGS, sigmas=sigmas))
    return latents, first_latent(ltx_models)


def first_latent(ltx_models) -> torch.Tensor:
    from sound_to_video.core.families.ltx.av import LTXAV
    from sound_to_video.core.render import plan_of

    inputs = inputs_of(ltx_models, sound(44100))
    return LTXAV().prepare(inputs, plan_of(LTXAV(), inputs, 0, 0)).references[0][0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strength", "sigmas"),
    [(0.3, DISTILLED), (0.7, DISTILLED), (1.0, DISTILLED), (0.7, torch.linspace(1, 0, 31))],
)
def test_no_noise_is_left_in_the_first_latent(ltx_models, strength, sigmas):
    latents, reference = sampled(ltx_models, strength, sigmas)
    left = (latents - reference).std(dim=(0, 1, 3, 4)) / reference.std()
    assert left.max() < 1e-4
