"""What only LTX has among the samplers' inputs. Nothing of the host is needed to declare it."""

from typing import NamedTuple

from ..option import KEY_FRAMES, Option


class Stages(NamedTuple):
    """Noise levels of the first stage, and of the refining one."""

    first: tuple[float, ...]
    refining: tuple[float, ...]


FIRST_SIGMAS = (1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875, 0.0)
SCHEDULES = {
    "ltx-2.3 distilled": Stages(FIRST_SIGMAS, (0.85, 0.7250, 0.4219, 0.0)),
    "ltx-2 distilled": Stages(FIRST_SIGMAS, (0.909375, 0.725, 0.421875, 0.0)),
    "ltx-2.5 distilled": Stages(FIRST_SIGMAS, (0.85, 0.7250, 0.4219, 0.0)),  # the host's template video_ltx2_5_i2v
}

LATENT_UPSCALE_MODEL = Option(
    "latent_upscale_model", "LatentUpscaleModel", "Adds a second stage: sample at half size, upscale, refine."
)
REFINING_SIGMAS = Option(
    "refining_sigmas", "Sigmas", "Noise levels of the second stage, in place of those that belong to the scheduler."
)
STRUCTURE_GUIDANCE = Option(
    "structure_guidance",
    "Float",
    "Spatio-temporal guidance (STG), for steadier shapes. 0 is off, as the distilled models are used; with the full "
    "model the official value is 1. Takes one more pass of the model per step.",
    default=0.0,
    minimum=0.0,
    maximum=20.0,
    step=0.1,
    rounding=0.01,
    advanced=True,
)
GUIDANCE_RESCALE = Option(
    "guidance_rescale",
    "Float",
    "With audio or structure guidance, how much of the contrast that they add is taken back. "
    "The official value is 0.7.",
    default=0.7,
    minimum=0.0,
    maximum=1.0,
    step=0.05,
    rounding=0.01,
    advanced=True,
)
IMAGE_STRENGTH = Option(
    "image_strength",
    "Float",
    "How firmly the clip begins with the reference image. 1 keeps it as it is; lower lets it move, lips too. "
    "The second stage always takes it whole.",
    default=0.7,
    minimum=0.0,
    maximum=1.0,
    step=0.05,
    rounding=0.01,
    advanced=True,
    of_picture=True,
)
IMAGE_COMPRESSION = Option(
    "image_compression",
    "Int",
    "H.264 quality (CRF) at which the reference image is compressed first. The model was trained on video frames; "
    "an image that is too clean stays still. 0 is off.",
    default=18,
    minimum=0,
    maximum=51,
    advanced=True,
    of_picture=True,
)
ANCHOR_FIRST_FRAME = Option(
    "anchor_first_frame",
    "Boolean",
    "Show the clip's first frame to every later segment again, so that the look does not drift away over many of them. "
    "Off: a segment knows the end of the one before it, and nothing else.",
    default=False,
    advanced=True,
)
REFINING_MODEL = Option(
    "refining_model",
    "Model",
    "The model of the second stage, say with the distilled LoRA that the first one goes without. Left open: model.",
)
OPTIONS = (
    LATENT_UPSCALE_MODEL,
    REFINING_SIGMAS,
    STRUCTURE_GUIDANCE,
    GUIDANCE_RESCALE,
    IMAGE_STRENGTH,
    IMAGE_COMPRESSION,
    ANCHOR_FIRST_FRAME,
    REFINING_MODEL,
    KEY_FRAMES,
)
