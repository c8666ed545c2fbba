"""The nodes, in the order in which they stand in the menu."""

from comfy_api.latest import io

from .a2v_sampler import A2VSampler
from .audio_encode import AudioEncode
from .load_audio import LoadAudio
from .load_diffusers_ltx import LoadDiffusersLTX
from .measure_sync import MeasureSync
from .mux_audio_video import MuxAudioVideo
from .prompt_timeline import PromptTimeline
from .record_mic import RecordMic
from .s2v_sampler import S2VSampler
from .scene_without_text import SceneWithoutText
from .trim_audio import TrimAudio

NODES: list[type[io.ComfyNode]] = [
    LoadAudio,
    RecordMic,
    TrimAudio,
    AudioEncode,
    S2VSampler,
    A2VSampler,
    MuxAudioVideo,
    PromptTimeline,
    LoadDiffusersLTX,
    SceneWithoutText,
    MeasureSync,
]
