"""The model families, and how one is recognised. Adding a family is adding one module and one line here.

Each is loaded by itself: where this ComfyUI lacks a part that one needs, that family drops out, and nothing else.
"""

import logging
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from comfyui_version import __version__

from ..audio import Audio
from ..errors import SoundToVideoError, article
from ..features.driving import driving_sound
from ..features.encoded import KIND_NAMES, EncodedAudio
from ..features.layout import FeatureLayout
from .base import ClipSampler, Family, NeededHost, SamplerInputs

_REGISTRY = (  # module, class, name, what its clips are decoded by
    ("wan.s2v", "WanS2V", "Wan2.2-S2V", "wan_vae"),
    ("ltx.av", "LTXAV", "LTX-2", "ltx_vae"),
    ("wan.humo", "HuMo", "HuMo", "wan_vae"),
    ("wan.infinitetalk", "InfiniteTalk", "InfiniteTalk", "wan_vae"),
    ("minimax.h3", "MiniMaxH3", "MiniMax H3", "minimax_vae"),
)
_NOT_YET = {  # models that take audio, by the host's class of theirs or of a wrapper around them (host 0.30 to 0.33)
    "WAN22_WanDancer": "Wan-Dancer",
}

MISSING: dict[str, str] = {}  # the families that could not be loaded, by name, and why


def _load(module: str, class_name: str, name: str, decoder: str) -> list[Family]:
    try:
        import_module(f"...decoding.{decoder}", __name__ + ".base")
        return [getattr(import_module(f".{module}", __name__), class_name)()]
    except Exception as error:
        MISSING[name] = f"{name} cannot be used with this ComfyUI ({error}): update the pack."
        logging.warning("Sound to Video: %s Everything else works.", MISSING[name])
        return []


FAMILIES: tuple[Family, ...] = tuple(family for entry in _REGISTRY for family in _load(*entry))

__all__ = ["FAMILIES", "MISSING", "ClipSampler", "Family", "SamplerInputs", "listen", "listeners", "recognise"]


def recognise(wired: Mapping[str, Any]) -> Family:
    """The family that works with what is wired; an error that names what was given and what would do.

    wired: what is wired into a sampler, by input name; ``model``, the host's MODEL, at least.
    """
    model: Any = wired.get("model")
    if not hasattr(model, "get_model_object") or not hasattr(model, "model"):
        raise SoundToVideoError(f"model is {article(type(model).__name__)}, not a MODEL: connect a model loader.")
    not_yet = _not_yet(model)
    if not_yet is None:
        for family in FAMILIES:
            if family.recognises(wired):
                _check_host(family.needed_host(model))
                return family
    known = ", ".join(family.name for family in FAMILIES) or "none"
    given = f"({type(model.model).__name__}) takes no audio that this node could give it"
    if not_yet is not None:
        given = f"is {not_yet}, which this version of the pack does not know yet"
    raise SoundToVideoError(f"the connected model {given}. Load one that does: {known}.{_missing()}")


def _missing() -> str:
    """`` Name cannot be used ...`` for each family that could not be loaded."""
    return "".join(f" {sentence}" for sentence in MISSING.values())


def _check_host(needed: NeededHost | None) -> None:
    """Raise for a model that this ComfyUI loads but is too old for."""
    if needed is not None:
        raise SoundToVideoError(
            f"the connected model is {needed.model}, which ComfyUI {needed.does} from {needed.version} on; this is "
            f"{__version__}: update ComfyUI, or load another model."
        )


def _not_yet(model: Any) -> str | None:
    """The name of a model that takes audio but is of no family here; None for any other."""
    wrappers = [
        wrapper
        for by_key in getattr(model, "wrappers", {}).values()
        for of_key in by_key.values()
        for wrapper in of_key
    ]
    kinds = [type(model.model), *map(type, wrappers)]
    return next((_NOT_YET[kind.__name__] for kind in kinds if kind.__name__ in _NOT_YET), None)


def listen(
    audio: Audio, audio_encoder: Any = None, audio_vae: Any = None, driving_audio: Audio | None = None
) -> EncodedAudio:
    """What a model hears of the audio, by the one of the two that is connected; an error for none or both.

    driving_audio: heard in its place, where there is one; the clip carries ``audio``.
    """
    if (audio_encoder is None) == (audio_vae is None):
        how_many = "one of them" if audio_encoder is None else "not both"
        encoders, vaes = (_names(audio_input) for audio_input in ("audio_encoder", "audio_vae"))
        raise SoundToVideoError(f"connect either an audio encoder{encoders} or an audio VAE{vaes}, {how_many}.")
    if driving_audio is not None:
        return listen(driving_sound(driving_audio, audio), audio_encoder, audio_vae).carrying(audio)
    if audio_encoder is not None:
        from ..features.encoders import EncoderFeatures, encoder_kind  # needs parts of the host that only these have

        kind = encoder_kind(audio_encoder)
        if audio.tracks:
            apart, together = (_layouts(kind, hears_speakers) for hears_speakers in (True, False))
            return EncoderFeatures(audio, audio_encoder, kind, together, apart)
        return EncoderFeatures(audio, audio_encoder, kind, _layouts(kind))
    return _listener(audio_vae).encode_with_vae(audio, audio_vae)


def _listener(audio_vae: Any) -> Family:
    """The family that listens by this VAE of the host."""
    families = _listening("audio_vae")
    for family in families:
        if family.recognises_audio_vae(audio_vae):
            return family
    if not families:
        raise SoundToVideoError(" ".join(MISSING.values()))
    kind = type(getattr(audio_vae, "first_stage_model", audio_vae)).__name__
    known = " or ".join(KIND_NAMES[family.encoder_kind] for family in families)
    advice = ", or ".join(family.encoder_advice for family in families)
    raise SoundToVideoError(f"audio_vae is {article(kind)}, not {known}: {advice}.{_missing()}")


def _listening(audio_input: str) -> list[Family]:
    """The families that need this input of Audio Encode."""
    return [family for family in FAMILIES if family.audio_input == audio_input]


def listeners(audio_input: str) -> str:
    """Which families listen over an input of Audio Encode, and by what: ``Name: wav2vec2 large. Other Name: ...``"""
    return " ".join(
        f"{family.name}: {KIND_NAMES[family.encoder_kind].partition(' (')[0]}." for family in _listening(audio_input)
    )


def _names(audio_input: str) -> str:
    names = ", ".join(family.name for family in _listening(audio_input))
    return f" ({names})" if names else ""


def _layouts(encoder_kind: str, hears_speakers: bool | None = None) -> list[FeatureLayout]:
    """What the families that take this kind of encoder hear of it; only those that tell speakers apart, or do not."""
    families = [family for family in FAMILIES if family.encoder_kind == encoder_kind]
    if hears_speakers is not None:
        families = [family for family in families if family.hears_speakers == hears_speakers]
    return [family.feature_layout for family in families if family.feature_layout is not None]
