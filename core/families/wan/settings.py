"""Official settings of the Wan families, from their code's configurations and from ComfyUI's templates."""

from ..settings import Setting, Variant

# ComfyUI's templates, from shared_config.py of Wan-Video/Wan2.2.
NEGATIVE = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，"
    "丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，"
    "杂乱的背景，三条腿，背景人很多，倒着走"
)
# wan_s2v_14B.py of Wan-Video/Wan2.2: without what pushes against stillness.
S2V_NEGATIVE = (
    "画面模糊，最差质量，画面模糊，细节模糊不清，情绪激动剧烈，手快速抖动，字幕，丑陋的，残缺的，多余的手指，画得不好的手部，"
    "画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)
UNI_PC = {"sampler_name": "uni_pc", "scheduler": "simple"}

S2V = Variant(
    "Wan2.2-S2V",
    ("s2v",),
    (
        Setting(
            "Quick",
            "4 steps with the LoRA: ComfyUI's template.",
            {"steps": 4, "cfg": 1.0, **UNI_PC},
            speed_lora=True,
            shift=8,
            negative=NEGATIVE,
        ),
        Setting(
            "Full",
            "20 steps without the LoRA, two passes each: ten times as long as quick.",
            {"steps": 20, "cfg": 6.0, **UNI_PC},
            speed_lora=False,
            shift=8,
            negative=NEGATIVE,
        ),
        Setting(
            "Official",
            "Wan's own: 40 steps, cfg 4.5, shift 3, its own negative prompt; twenty times as long as quick.",
            {"steps": 40, "cfg": 4.5, **UNI_PC},
            speed_lora=False,
            shift=3,
            negative=S2V_NEGATIVE,
        ),
    ),
    pixels=640 * 640,
    multiple=64,  # far motion is packed into blocks of 64 pixels
)

HUMO = Variant(
    "HuMo",
    ("humo",),
    (
        Setting(
            "Quick",
            "6 steps with the LoRA.",
            {"steps": 6, "cfg": 1.0, **UNI_PC, "audio_guidance": 1.0},
            speed_lora=True,
            shift=8,
        ),
        Setting(
            "Quick, lips",
            "6 steps with the LoRA and guidance by the sound, for livelier lips: half as fast.",
            {"steps": 6, "cfg": 1.0, **UNI_PC, "audio_guidance": 2.0},
            speed_lora=True,
            shift=8,
        ),
        Setting(
            "Official",
            "50 steps without the LoRA, three passes each: 25 times as long as quick.",
            {"steps": 50, "cfg": 5.0, **UNI_PC, "audio_guidance": 1.5},
            speed_lora=False,
            shift=5,
        ),
    ),
    pixels=640 * 640,
    multiple=16,
)

EULER = {"sampler_name": "euler", "scheduler": "normal"}
INFINITETALK = Variant(
    "InfiniteTalk",
    ("infinitetalk",),
    (
        Setting(
            "Quick",
            "6 steps with the LoRA: ComfyUI's template.",
            {"steps": 6, "cfg": 1.0, **EULER, "audio_guidance": 1.0},
            speed_lora=True,
            shift=8,
        ),
        Setting(
            "Quick, lips",
            "6 steps with the LoRA and guidance by the sound, for livelier lips: half as fast.",
            {"steps": 6, "cfg": 1.0, **EULER, "audio_guidance": 2.0},
            speed_lora=True,
            shift=8,
        ),
        Setting(
            "Official",
            "40 steps without the LoRA, three passes each: twenty times as long as quick.",
            {"steps": 40, "cfg": 5.0, **EULER, "audio_guidance": 4.0},
            speed_lora=False,
            shift=7,
        ),
    ),
    pixels=640 * 640,
    multiple=16,
)
