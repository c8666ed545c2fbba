"""The nodes, in the order in which they stand in the menu. Each is loaded by itself: one that fails takes no other."""

import logging
from importlib import import_module

from comfy_api.latest import io

_REGISTRY = (  # module, class
    ("load_audio", "LoadAudio"),
    ("record_mic", "RecordMic"),
    ("trim_audio", "TrimAudio"),
    ("audio_encode", "AudioEncode"),
    ("s2v_sampler", "S2VSampler"),
    ("a2v_sampler", "A2VSampler"),
    ("mux_audio_video", "MuxAudioVideo"),
    ("prompt_timeline", "PromptTimeline"),
    ("load_diffusers_ltx", "LoadDiffusersLTX"),
    ("scene_without_text", "SceneWithoutText"),
    ("measure_sync", "MeasureSync"),
    ("video_frame", "VideoFrame"),
    ("compare_clips", "CompareClips"),
    ("lip_sync_sampler", "LipSyncSampler"),
    ("speakers", "Speakers"),
    ("key_frames", "KeyFrames"),
)


def _load(module: str, class_name: str) -> list[type[io.ComfyNode]]:
    try:
        return [getattr(import_module(f".{module}", __name__), class_name)]
    except Exception:
        logging.exception("Sound to Video: the node %s cannot be used with this ComfyUI.", class_name)
        return []


NODES: list[type[io.ComfyNode]] = [node for entry in _REGISTRY for node in _load(*entry)]
