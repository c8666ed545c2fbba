"""What only Wan's families have among the samplers' inputs. Nothing of the host is needed to declare it."""

from ..option import Option

MODEL_PATCH = Option(
    "model_patch",
    "ModelPatch",
    "From core's Load Model Patch: what makes Wan 2.1 I2V hear, wan2.1_infiniteTalk_single_fp16.safetensors; for "
    "several speakers wan2.1_infiniteTalk_multi_fp16.safetensors.",
    of_picture=True,
)
CLIP_VISION_OUTPUT = Option(
    "clip_vision_output",
    "ClipVisionOutput",
    "The reference image as CLIP sees it, from core's CLIP Vision Encode; the official code has it always.",
    of_picture=True,
)

CLIP_VISION = Option(
    "clip_vision",
    "ClipVision",
    "From core's Load CLIP Vision, clip_vision_h.safetensors: it looks at the frame of the footage that each window "
    "begins with; the official code has it always.",
    of_footage=True,
)

OPTIONS = (MODEL_PATCH, CLIP_VISION_OUTPUT, CLIP_VISION)
