"""Good and odd values for every kind of input that the pack's nodes have; new nodes are covered by their schemas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import torch
from sound_to_video.core.audio import audio_from
from sound_to_video.core.families import Family, listen
from sound_to_video.core.features.encoded import WHISPER
from sound_to_video.tests.families import Small, all_small, load_encoder

RATE = 16000
HEARD_SECONDS = 0.5  # of what is sampled: seconds of work for families that decode and encode a window anew


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
    """A good value for each input of a node, on the small models of a family."""

    def __init__(self, checkpoints: Any):
        self._checkpoints = checkpoints
        self._loaded: dict[str, Any] = {}
        self._small = {small.family.id: small for small in all_small(checkpoints)}
        self.families = [small.family for small in self._small.values()]

    def small(self, family: Family) -> Small:
        return self._small[family.id]

    def inputs_of(self, node: Any, family: Family) -> dict[str, Any]:
        """By name; of optional inputs those that hold a number, a text or a choice, or that the family needs."""
        values, entries = {}, node.GET_SCHEMA().inputs
        needed = self.small(family).options if "MODEL" in {entry.get_io_type() for entry in entries} else {}
        for entry in entries:
            value = needed[entry.id] if entry.id in needed else self._value(entry, family)
            if value is not None:
                values[entry.id] = value
        return values

    def _value(self, entry: Any, family: Family) -> Any:
        kind, options = entry.get_io_type(), entry.as_dict()
        named = {
            "width": 64,
            "height": 64,
            "crop_size": 64,
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
        if entry.id in ("audio_encoder", "audio_vae"):
            return self.listener(family) if entry.id == family.audio_input else None
        if entry.optional and entry.id not in ("reference_image", "audio"):
            return None
        return self.object(kind, family)

    def listener(self, family: Family) -> Any:
        """The audio encoder or the audio VAE that a family listens with."""
        if family.audio_input == "audio_vae":
            return self.small(family).audio_vae
        return self._once(family.encoder_kind, lambda: load_encoder(family.encoder_kind, self._checkpoints))

    def object(self, kind: str, family: Family) -> Any:
        """A fresh or shared good object for a type of the host's; None where there is none."""
        first = kind.split(",")[0]
        makers: dict[str, Callable[[], Any]] = {
            "AUDIO": tone,
            "IMAGE": lambda: pictures(1),
            "VIDEO": self._video,
            "MASK": lambda: torch.ones([1, 64, 64]),
            "CONDITIONING": lambda: self.small(family).prompt(),
            "SIGMAS": lambda: torch.tensor([1.0, 0.5, 0.0]),
            "LATENT": lambda: {"samples": torch.zeros([1, 16, 2, 8, 8])},
            "MODEL": lambda: self.small(family).model,
            "VAE": lambda: self.small(family).vae,
            "CLIP": Text,
            "AUDIO_ENCODER": lambda: self.listener(family),
            "AUDIO_ENCODER_OUTPUT": lambda: self._encoded(family),
        }
        return makers[first]() if first in makers else None

    def _once(self, name: str, load: Callable[[], Any]) -> Any:
        if name not in self._loaded:
            self._loaded[name] = load()
        return self._loaded[name]

    def _encoded(self, family: Family) -> Any:
        """As Audio Encode gives it; of an encoder as large as Whisper, which listens for a minute, as core's does."""

        def listen_once() -> Any:
            if family.encoder_kind == WHISPER:
                return self.small(family).encoded(audio_from(tone(HEARD_SECONDS)))
            return listen(audio_from(tone(HEARD_SECONDS)), **{family.audio_input: self.listener(family)})

        return self._once(f"heard by {family.id}", listen_once)

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


def _seen(good: Good) -> Iterator[tuple[str, Any]]:
    def output(states: Any) -> Any:
        return type("Output", (), {"penultimate_hidden_states": states})()

    yield "right", output(torch.zeros([1, 257, 1280]))
    yield "no states", output(None)
    yield "another width", output(torch.zeros([1, 257, 7]))
    yield "one dimension", output(torch.zeros([1280]))
    yield "NaN states", output(torch.full([1, 257, 1280], float("nan")))
    for kind, made in ODD_TENSORS.items():
        yield kind, output(made([1, 257, 1280]))


def _of_each_family(kind: str, good: Good) -> list[tuple[str, Any]]:
    return [(f"{family.name}'s", good.object(kind, family)) for family in good.families]


def _needed(good: Good) -> list[tuple[str, Any]]:
    """What some families do not run without."""
    options = [(family.name, good.small(family).options) for family in good.families]
    return [(f"{name}'s {option}", value) for name, given in options for option, value in given.items()]


def _listeners(good: Good) -> list[tuple[str, Any]]:
    """But for Whisper, which listens for a minute."""
    listening = [family for family in good.families if family.encoder_kind != WHISPER]
    return [(f"what {family.name} listens with", good.listener(family)) for family in listening]


_ODD: dict[str, Callable[[Any], Any]] = {
    "AUDIO": _audios,
    "IMAGE": _images,
    "CONDITIONING": _conditionings,
    "SIGMAS": _sigmas,
    "AUDIO_ENCODER_OUTPUT": _encoded,
    "MODEL": lambda good: [*_of_each_family("MODEL", good), ("a bare object", object())],
    "VAE": lambda good: [*_of_each_family("VAE", good), *_listeners(good)],
    "MASK": lambda good: _masks(),
    "CLIP_VISION_OUTPUT": _seen,
    "AUDIO_ENCODER": lambda good: _listeners(good),
    "MODEL_PATCH": lambda good: [*_of_each_family("MODEL", good), *_needed(good)],
}
