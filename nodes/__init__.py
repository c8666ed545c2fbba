"""The nodes, in the order in which they stand in the menu."""

from comfy_api.latest import io

from .a2v_sampler import A2VSampler
from .audio_encode import AudioEncode
from .load_diffusers_ltx import LoadDiffusersLTX
from .prompt_timeline import PromptTimeline
from .s2v_sampler import S2VSampler

NODES: list[type[io.ComfyNode]] = [
    AudioEncode,
    S2VSampler,
    A2VSampler,
    PromptTimeline,
    LoadDiffusersLTX,
]
