"""Settings of ComfyUI's templates for MiniMax H3."""

from ..settings import Setting, Variant

H3 = Variant(
    "MiniMax H3",
    ("minimax", "h3"),
    (
        Setting(
            "Template",
            "20 steps of one pass, as ComfyUI's templates have it; the weights are distilled from guidance.",
            {"steps": 20, "cfg": 1.0, "sampler_name": "res_multistep", "scheduler": "simple"},
        ),
    ),
    pixels=864 * 480,
    multiple=32,
)
