"""Good and odd values for every kind of input that the pack's nodes have; new nodes are covered by their schemas."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import torch

RATE = 16000


def tone(seconds: float = 1.5, channels: int = 1, rate: int = RATE) -> dict[str, Any]:
    time = torch.arange(round(seconds * rate)) / rate
    return {"waveform": (0.4 * torch.sin(2000 * time)).expand(1, channels, -1).clone(), "sample_rate": rate}


def pictures(count: int = 1, height: int = 64, width: int = 64, channels: int = 3) -> torch.Tensor:
    return torch.rand([count, height, width, channels], generator=torch.Generator().manual_seed(1))


ODD_TENSORS: dict[str, Callable[[list[int]], torch.Tensor]] = {
    "meta": lambda shape: torch.zeros(shape, device="meta"),
    "sparse": lambda shape: torch.zeros(shape).to_sparse(),
    "nested": lambda shape: torch.nested.nested_tensor([torch.zeros(shape[1:]) for _ in range(shape[0])]),
    "complex": lambda shape: torch.zeros(shape, dtype=torch.complex64),
    "quantised": lambda shape: torch.quantize_per_tensor(torch.zeros(shape), 0.1, 0, torch.quint8),
}
"""By shape: tensors that look like others until they are computed with."""


class Good:
    """A good value for each input of a node, on the small checkpoints.

    family: ``ltx``, ``wan`` (Wan2.2-S2V), ``humo`` or ``infinitetalk``.
    """

    def __init__(self, checkpoints: Any):
        self._checkpoints = checkpoints
        self._loaded: dict[str, Any] = {}
        self._sounds: dict[str, Any] = {}

    def inputs_of(self, node: Any, family: str) -> dict[str, Any]:
        """By name; of optional inputs only those that hold a number, a text or a choice."""
        values = {}
        for entry in node.GET_SCHEMA().inputs:
            value = self.audio_vae() if entry.id == "audio_vae" and family == "ltx" else self._value(entry, family)
            if value is not None:
                values[entry.id] = value
        return values

    def _value(self, entry: Any, family: str) -> Any:
        kind, options = entry.get_io_type(), entry.as_dict()
        named = {
            "width": 64,
            "height": 64,
            "steps": 1,
            "cfg": 1.0,
            "sampler_name": "euler",
            "scheduler": "simple",
            "filename_prefix": "fuzz/clip",
            "keep_segments": False,
            "timeline": "0:00 a face\n0:01 a hand",
        }
        if entry.id in named:
            return named[entry.id]
        if kind in ("INT", "FLOAT", "STRING", "BOOLEAN"):
            return options.get("default")
        if kind == "COMBO":
            choices = options.get("options") or []
            return options.get("default") or (choices[0] if choices else None)
        if entry.id == "model_patch" and family == "infinitetalk":
            return self._models(family).patch
        wanted = {"audio_encoder": family != "ltx", "audio_vae": family == "ltx"}.get(entry.id)
        if wanted is None and (entry.optional and entry.id not in ("reference_image", "audio")):
            return None
        return None if wanted is False else self.object(kind, family)

    def object(self, kind: str, family: str = "ltx") -> Any:
        """A fresh or shared good object for a type of the host's; None where there is none."""
        first = kind.split(",")[0]
        makers: dict[str, Callable[[], Any]] = {
            "AUDIO": tone,
            "IMAGE": lambda: pictures(1),
            "VIDEO": self._video,
            "MASK": lambda: torch.ones([1, 64, 64]),
            "CONDITIONING": lambda: [[torch.randn([1, 2, 1024]), {}]],
            "SIGMAS": lambda: torch.tensor([1.0, 0.5, 0.0]),
            "LATENT": lambda: {"samples": torch.zeros([1, 16, 2, 8, 8])},
            "MODEL": lambda: self._models(family).model,
            "VAE": lambda: self._models(family).vae,
            "CLIP": Text,
            "AUDIO_ENCODER": lambda: self._models("wan").encoder,
            "AUDIO_ENCODER_OUTPUT": lambda: self._encoded(family),
            "LATENT_UPSCALE_MODEL": lambda: self._models("ltx").upscaler,
        }
        return makers[first]() if first in makers else None

    def audio_vae(self) -> Any:
        return self._models("ltx").audio_vae

    def _models(self, family: str) -> Any:
        if family not in self._loaded:
            from sound_to_video.tests.ltx import Models

            makers = {"ltx": Models, "wan": _WanModels, "humo": _HuMoModels, "infinitetalk": _InfiniteTalkModels}
            self._loaded[family] = makers[family](self._checkpoints)
        return self._loaded[family]

    def _encoded(self, family: str) -> Any:
        from sound_to_video.nodes.audio_encode import AudioEncode

        if family in ("humo", "infinitetalk"):  # as core's node gives it; Whisper takes half a minute for any sound
            return self._models(family).encoded
        if family not in self._sounds:
            models = self._models(family)
            listener = {"audio_vae": models.audio_vae} if family == "ltx" else {"audio_encoder": models.encoder}
            self._sounds[family] = AudioEncode.execute(tone(), **listener).args[0]
        return self._sounds[family]

    def _video(self) -> Any:
        from fractions import Fraction

        from comfy_api.latest import InputImpl, Types

        components = Types.VideoComponents(images=pictures(24), audio=None, frame_rate=Fraction(16))
        return InputImpl.VideoFromComponents(components)


class Text:
    """A CLIP without weights: the interface that the host's CLIP Text Encode uses."""

    def tokenize(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def encode_from_tokens_scheduled(self, tokens: list[int]) -> list:
        return [[torch.full([1, 2, 1024], float(len(tokens))), {}]]


class _WanModels:
    """The small Wan2.2-S2V, loaded as the host's loader nodes do."""

    def __init__(self, checkpoints: Any):
        import comfy.audio_encoders.audio_encoders
        import comfy.sd
        import comfy.utils

        self.model = comfy.sd.load_diffusion_model(str(checkpoints.path("wan_s2v")))
        self.vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(checkpoints.path("wan_vae"))))
        weights = comfy.utils.load_torch_file(str(checkpoints.path("wav2vec2")), safe_load=True)
        self.encoder = comfy.audio_encoders.audio_encoders.load_audio_encoder_from_sd(weights)


class _HuMoModels:
    def __init__(self, checkpoints: Any):
        import comfy.sd
        import comfy.utils
        from sound_to_video.tests.humo import host_encoding

        self.model = comfy.sd.load_diffusion_model(str(checkpoints.path("humo")))
        self.vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(checkpoints.path("wan_vae"))))
        self.encoded = host_encoding(1.5)


class _InfiniteTalkModels:
    def __init__(self, checkpoints: Any):
        import comfy.sd
        import comfy.utils
        from sound_to_video.tests.infinitetalk import host_encoding, load_patch

        self.model = comfy.sd.load_diffusion_model(str(checkpoints.path("wan_i2v")))
        self.vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(checkpoints.path("wan_vae"))))
        self.patch = load_patch(checkpoints.path("infinitetalk"))
        self.encoded = host_encoding(1.5)


class Raising(dict):
    """An AUDIO whose reading fails, as a broken node's does."""

    def __getitem__(self, key: str) -> Any:
        raise OSError("the file behind this sound is gone")


def odd(kind: str, options: dict[str, Any], good: Any, random: Random) -> Iterator[tuple[str, Any]]:
    """``(label, value)``: what a broken workflow or node may hand over where ``kind`` is due, past the host's checks.

    For numbers only what its validation passes: NaN, and the ends of the range.
    """
    if kind in ("FLOAT", "INT"):
        number = float if kind == "FLOAT" else int
        if kind == "FLOAT":
            yield "NaN", float("nan")
        for end in ("min", "max"):
            if options.get(end) is not None:
                yield end, number(options[end])
        low, high = options.get("min", -100), options.get("max", 100)
        yield "within", number(low + (high - low) * random.random() ** 8)
        return
    if kind == "STRING":
        yield from _TEXTS
        yield (
            "random",
            "".join(chr(random.choice([random.randrange(32, 127), random.randrange(0x2FFF)])) for _ in "x" * 40),
        )
        return
    if kind == "BOOLEAN":
        yield from (("true", True), ("false", False))
        return
    if kind == "COMBO":
        for choice in options.get("options") or []:
            yield str(choice)[:30], choice
        return
    yield from (
        ("none", None),
        ("a number", 0),
        ("NaN", float("nan")),
        ("a text", "text"),
        ("a list", []),
        ("a list of none", [None]),
        ("a dict", {}),
        ("an object", object()),
        ("a tensor", torch.zeros([1])),
    )
    for first in kind.split(","):
        yield from _ODD.get(first, lambda good: ())(good)


_TEXTS = (
    ("empty", ""),
    ("spaces", "  \n\t "),
    ("a lone surrogate", "\ud800"),
    ("a null", "a\0b"),
    ("up", "../../outside"),
    ("absolute", "/tmp/outside"),
    ("a drive", "C:\\outside"),
    ("long", "x" * 5000),
    ("long Japanese", "\u97f3" * 300),
    ("percent", "%date:yyyy-MM-dd%/%width%%%"),
    ("times of many digits", "0:00 a\n" + "9" * 5000 + ":00 b"),
    ("times that run back", "0:10 a\n0:05 b\n0:05 c"),
    ("an exponent", "1e999999999 a"),
    ("a list", "- a\n- b"),
)


def _audios(good: Any) -> Iterator[tuple[str, Any]]:
    def changed(**values: Any) -> dict[str, Any]:
        return {**tone(), **values}

    yield "no rate", {"waveform": tone()["waveform"]}
    yield "no waveform", {"sample_rate": RATE}
    for rate in (0, -1, float("nan"), float("inf"), None, [RATE], "16000", 10**9, 44101):
        yield f"rate {rate}", changed(sample_rate=rate)
    yield "a rate of 1", {"waveform": torch.zeros([1, 1, 2]), "sample_rate": 1}  # more samples would be hours of work
    yield "no samples", changed(waveform=torch.zeros([1, 1, 0]))
    yield "no channels", changed(waveform=torch.zeros([1, 0, 100]))
    yield "a batch of none", changed(waveform=torch.zeros([0, 1, 100]))
    yield "a batch of two", changed(waveform=torch.zeros([2, 1, 9000]))
    yield "one dimension", changed(waveform=torch.zeros([9000]))
    yield "four dimensions", changed(waveform=torch.zeros([1, 1, 1, 9000]))
    yield "40 channels", changed(waveform=torch.zeros([1, 40, 9000]))
    yield "5.1", changed(waveform=tone(channels=6)["waveform"])
    yield "integers", changed(waveform=torch.zeros([1, 1, 9000], dtype=torch.int16))
    yield "half", changed(waveform=tone()["waveform"].half())
    yield "complex", changed(waveform=torch.zeros([1, 1, 9000], dtype=torch.complex64))
    yield "NaN samples", changed(waveform=torch.full([1, 1, 9000], float("nan")))
    yield "infinite samples", changed(waveform=torch.full([1, 1, 9000], float("inf")))
    for kind, made in ODD_TENSORS.items():
        yield kind, changed(waveform=made([1, 1, 9000]))
    yield "with a gradient", changed(waveform=tone()["waveform"].requires_grad_())
    yield "repeated by its stride", changed(waveform=torch.zeros([1, 1, 1]).expand(1, 2, 9000))
    yield "an array", changed(waveform=tone()["waveform"].numpy())
    yield "silence", changed(waveform=torch.zeros([1, 2, 9000]))
    yield "one sample", changed(waveform=torch.zeros([1, 1, 1]))
    yield "one that raises", Raising(tone())


def _images(good: Any) -> Iterator[tuple[str, Any]]:
    yield "none of them", torch.zeros([0, 64, 64, 3])
    yield "no height", torch.zeros([1, 0, 64, 3])
    yield "no width", torch.zeros([1, 64, 0, 3])
    yield "a pixel", torch.zeros([1, 1, 1, 3])
    yield "a line", torch.zeros([1, 1, 5000, 3])
    yield "alpha", pictures(channels=4)
    yield "grey", pictures(channels=1)
    yield "three dimensions", pictures()[0]
    yield "five dimensions", pictures()[None]
    yield "bfloat16", pictures().bfloat16()
    yield "bytes", torch.zeros([1, 64, 64, 3], dtype=torch.uint8)
    yield "NaN", torch.full([1, 64, 64, 3], float("nan"))
    yield "infinite", torch.full([1, 64, 64, 3], float("inf"))
    yield "odd", pictures(2, 63, 65)
    for kind, made in ODD_TENSORS.items():
        yield kind, made([1, 64, 64, 3])
    yield "float8", pictures().to(torch.float8_e4m3fn)
    yield "with a gradient", pictures().requires_grad_()
    yield "repeated by its stride", torch.zeros([1, 1, 1, 1]).expand(24, 64, 64, 3)
    yield "many", pictures(9)


def _masks() -> Iterator[tuple[str, Any]]:
    yield "nothing in it", torch.zeros([1, 64, 64])
    yield "none of them", torch.zeros([0, 64, 64])
    yield "no width", torch.ones([1, 64, 0])
    yield "two dimensions", torch.ones([64, 64])
    yield "four dimensions", torch.ones([1, 1, 64, 64])
    yield "another size", torch.ones([1, 7, 9])
    yield "NaN", torch.full([1, 64, 64], float("nan"))
    yield "bytes", torch.ones([1, 64, 64], dtype=torch.uint8)
    yield "half", torch.ones([1, 64, 64]).half()
    for kind, made in ODD_TENSORS.items():
        yield kind, made([1, 64, 64])


def _conditionings(good: Any) -> Iterator[tuple[str, Any]]:
    yield "an entry of none", [[None, {}]]
    yield "an entry without values", [[torch.zeros([1, 2, 1024])]]
    yield "another width", [[torch.zeros([1, 2, 7]), {}]]
    yield "NaN", [[torch.full([1, 2, 1024], float("nan")), {}]]
    for kind, made in ODD_TENSORS.items():
        yield kind, [[made([1, 2, 1024]), {}]]
    yield "an odd start", [[torch.zeros([1, 2, 1024]), {"sound_to_video_start_seconds": "x"}]]


def _sigmas(good: Any) -> Iterator[tuple[str, Any]]:
    yield "none of them", torch.zeros([0])
    yield "one", torch.ones([1])
    yield "rising", torch.tensor([0.0, 0.5, 1.0])
    yield "NaN", torch.tensor([1.0, float("nan"), 0.0])
    yield "two dimensions", torch.ones([2, 2])
    yield "integers", torch.tensor([1, 0])
    yield "with a gradient", torch.tensor([1.0, 0.0]).requires_grad_()
    for kind, made in ODD_TENSORS.items():
        yield kind, made([3])


def _encoded(good: Any) -> Iterator[tuple[str, Any]]:
    yield "layers of none", {"encoded_audio": None, "encoded_audio_all_layers": None, "audio_samples": None}
    layers = tuple(torch.zeros([1, 3, 1024]) for _ in range(25))
    yield "no samples", {"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": 0}
    yield "negative samples", {"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": -5}
    for kind, made in ODD_TENSORS.items():
        odd_layers = tuple(made([1, 3, 1024]) for _ in range(25))
        yield kind, {"encoded_audio_all_layers": odd_layers, "audio_samples": 9600}
    yield (
        "NaN",
        {
            "encoded_audio": layers[-1],
            "encoded_audio_all_layers": tuple(layer * float("nan") for layer in layers),
            "audio_samples": 9600,
        },
    )


_ODD: dict[str, Callable[[Any], Any]] = {
    "AUDIO": _audios,
    "IMAGE": _images,
    "CONDITIONING": _conditionings,
    "SIGMAS": _sigmas,
    "AUDIO_ENCODER_OUTPUT": _encoded,
    "MODEL": lambda good: [("another family's", good.object("MODEL", "wan")), ("a bare object", copy.copy(object()))],
    "MODEL_PATCH": lambda good: [("a model", good.object("MODEL", "wan"))],
    "MASK": lambda good: _masks(),
    "VAE": lambda good: [("the audio VAE", good.audio_vae()), ("another family's", good.object("VAE", "wan"))],
}
