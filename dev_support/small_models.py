"""A workflow made for the real models, adapted to the small random ones where those are missing (standard library).

What a node loads is left alone when the server offers that file. Text encoders have no small form: where theirs is
missing, core's LotusConditioning gives the conditioning, and a fixed text stands for what they would write. For a model
that makes sound, and for a node in the cloud, a sample file stands in. LoRAs that are missing are left out.
"""

from typing import Any

Prompt = dict[str, dict[str, Any]]

LARGEST_SIDE = 128
MOST_STEPS = 4

# class of loader: (its input, checkpoint of tests/checkpoints.py by what the wanted file's name holds; "" fits all)
LOADERS = {
    "UNETLoader": (
        "unet_name",
        {
            "acestep": None,
            "minimax_h3": "minimax_h3",
            "s2v": "wan_s2v",
            "humo": "humo_17b",
            "i2v": "wan_i2v",
            "ltx-2.5": "ltx_2_5",
            "ltx": "ltx_av",
            "": "wan_s2v",
        },
    ),
    "VAELoader": (
        "vae_name",
        {
            "ace_": None,
            "ltx-2.5-video": "ltx_2_5_vae",
            "ltx-2.5-audio": "ltx_2_5_audio_vae",
            "minimax_h3_video": "taehv_minimax_h3",
            "minimax_h3_audio": "minimax_h3_wide_audio_vae",
            "": "wan_vae",
        },
    ),
    "AudioEncoderLoader": ("audio_encoder_name", {"whisper": "whisper", "base": "wav2vec2_base", "": "wav2vec2"}),
    "ModelPatchLoader": ("name", {"": "infinitetalk"}),
    "CheckpointLoaderSimple": ("ckpt_name", {"": "ltx_av"}),
    "LTXVAudioVAELoader": ("ckpt_name", {"": "ltx_av"}),
    "LatentUpscaleModelLoader": ("model_name", {"": "ltx_upscaler"}),
}
LORAS = ("LoraLoaderModelOnly", "LoraLoader")
STAND_INS = {  # of what makes a sound of latents, or works in the cloud: another class and its inputs
    "VAEDecodeAudio": ("SoundToVideo_LoadAudio", {"audio": "sound_to_video_voice.wav"}),
    "Wan2ImageToVideoApi": ("LoadVideo", {"file": "sound_to_video_speaker.mp4"}),
}
WRITTEN = "A singer on a stage, in purple light."
TEXT_ENCODERS = {
    "CLIPLoader": ("clip_name",),
    "DualCLIPLoader": ("clip_name1", "clip_name2"),
    "LTXAVTextEncoderLoader": ("text_encoder",),
}


def offered(object_info: dict, node_type: str, name: str) -> list:
    """The choices that the server gives for a combo input."""
    definition = object_info[node_type]["input"]["required"][name]
    return definition[0] if isinstance(definition[0], list) else definition[1].get("options", [])


def missing_models(prompt: Prompt, object_info: dict) -> dict[str, str]:
    """{node id: file} of every model file that the prompt names and the server lacks."""
    missing = {}
    for node_id, node in prompt.items():
        kind = node["class_type"]
        names = TEXT_ENCODERS.get(kind, ())
        names += (LOADERS[kind][0],) if kind in LOADERS else ()
        names += ("lora_name",) if kind in LORAS else ()
        for name in names:
            if node["inputs"].get(name) not in offered(object_info, kind, name):
                missing[node_id] = node["inputs"].get(name)
    return missing


def needed_checkpoints(prompt: Prompt, missing: dict[str, str]) -> dict[str, str]:
    """{node id: name in tests/checkpoints.py} for every missing file that a small checkpoint can stand for."""
    needed = {}
    for node_id, wanted in missing.items():
        choices = LOADERS.get(prompt[node_id]["class_type"], ("", {}))[1]
        for part, checkpoint in choices.items():
            if part in str(wanted).lower():
                if checkpoint:
                    needed[node_id] = checkpoint
                break
    return needed


def adapt(prompt: Prompt, missing: dict[str, str], files: dict[str, str]) -> Prompt:
    """Return a copy of ``prompt`` that loads ``files`` {node id: file} instead, and is small enough for two cores."""
    adapted = {node_id: {**node, "inputs": dict(node["inputs"])} for node_id, node in prompt.items()}
    for node_id, file in files.items():
        node = adapted[node_id]
        node["inputs"][LOADERS[node["class_type"]][0]] = file
    for node_id in missing:
        if adapted[node_id]["class_type"] in LORAS:
            _connect_through(adapted, node_id)
        elif adapted[node_id]["class_type"] in TEXT_ENCODERS:
            _replace_text(adapted, node_id)
    for node in adapted.values():
        if node["class_type"] in STAND_INS:
            kind, inputs = STAND_INS[node["class_type"]]
            node.update(class_type=kind, inputs=dict(inputs))
        for side in ("width", "height", "crop_size"):
            if isinstance(node["inputs"].get(side), int):
                node["inputs"][side] = min(node["inputs"][side], LARGEST_SIDE)
        if isinstance(node["inputs"].get("steps"), int):
            node["inputs"]["steps"] = min(node["inputs"]["steps"], MOST_STEPS)
    return adapted


def _connect_through(prompt: Prompt, node_id: str) -> None:
    """Leave out a LoRA loader: what took its outputs takes its inputs."""
    inputs = prompt.pop(node_id)["inputs"]
    sources = [inputs.get("model"), inputs.get("clip")]
    for node in prompt.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and value[0] == node_id:
                node["inputs"][name] = sources[value[1]]


def _replace_text(prompt: Prompt, loader_id: str) -> None:
    """Leave out a text encoder: what encodes a text with it gives core's fixed conditioning, what writes one a text."""
    del prompt[loader_id]
    for node in prompt.values():
        if any(isinstance(value, list) and value[0] == loader_id for value in node["inputs"].values()):
            if node["class_type"].startswith("TextGenerate"):
                node.update(class_type="PrimitiveStringMultiline", inputs={"value": WRITTEN})
            else:
                node.update(class_type="LotusConditioning", inputs={})
