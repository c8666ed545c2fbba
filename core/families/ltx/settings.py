"""Official settings of the LTX family: ComfyUI's templates, and Lightricks' own pipeline for sound to video."""

from ..settings import Setting, Variant

UNGUIDED = {"cfg": 1.0, "audio_guidance": 1.0, "structure_guidance": 0.0}
GUIDED = {"steps": 30, "cfg": 3.0, "audio_guidance": 3.0, "structure_guidance": 1.0, "guidance_rescale": 0.7}
PIXELS = 1280 * 704
BOTH_STAGES = 64  # of the second stage; the first has half the size


def distilled(scheduler: str, sampler: str = "euler") -> tuple[Setting, ...]:
    """Fixed noise levels: as the distilled model, or the full one with its LoRA, is used."""
    values = {"steps": 8, "sampler_name": sampler, "scheduler": scheduler, **UNGUIDED}
    return (
        Setting(
            "Quick",
            "8 + 3 steps of fixed noise levels: half size first, then refined. ComfyUI's template.",
            values,
            speed_lora=True,
            stages=2,
        ),
        Setting(
            "One stage",
            "8 steps at full size, nothing refined: without the latent upscale model.",
            values,
            speed_lora=True,
            stages=1,
        ),
    )


FULL = Setting(
    "Full",
    "The model without its LoRA, guided as Lightricks does it: 30 steps of four passes, for lips that follow.",
    {**GUIDED, "sampler_name": "euler"},
    speed_lora=False,
    stages=1,
    then="Connect core's LTXVScheduler, 30 steps, to sigmas.",
)

LTX_2_5 = Variant("LTX-2.5", ("ltx", "2.5"), distilled("ltx-2.5 distilled", "euler_ancestral"), PIXELS, BOTH_STAGES)
LTX_2_3 = Variant("LTX-2.3", ("ltx", "2.3"), (*distilled("ltx-2.3 distilled"), FULL), PIXELS, BOTH_STAGES)
LTX_2 = Variant("LTX-2", ("ltx",), (*distilled("ltx-2 distilled"), FULL), PIXELS, BOTH_STAGES)
SMALL = Variant(
    "The small model",
    ("sound_to_video_small",),
    (
        Setting(
            "As trained",
            "8 steps, 5 s at a time, 25 frames a second.",
            {
                "steps": 8,
                "sampler_name": "euler",
                "scheduler": "simple",
                "frame_rate": 25.0,
                "segment_seconds": 5.0,
                **UNGUIDED,
            },
        ),
    ),
    pixels=128 * 128,
    multiple=128,
    aspects=("1:1",),
)

VARIANTS = (SMALL, LTX_2_5, LTX_2_3, LTX_2)
