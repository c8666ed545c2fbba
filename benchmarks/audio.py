"""Sound: ten seconds out of an hour, and encoding."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from sound_to_video.benchmarks.process import Measured, forget_file, import_all

RATE = 44100
START_SECONDS, KEPT_SECONDS = 1800.0, 10.0


def hour_of_mp3(path: Path, rate: int = RATE, channels: int = 2, bits_per_second: str = "128k") -> Path:
    """An hour of MP3 that is there once made: a tone that rises, in noise, no two seconds alike."""
    import av
    import numpy as np

    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    random = np.random.default_rng(0)
    layout = "stereo" if channels == 2 else "mono"
    options = {"b": bits_per_second, "compression_level": "9"}
    with av.open(str(partial), "w", format="mp3") as output:
        stream = output.add_stream("mp3", rate=rate, layout=layout, options=options)
        for second in range(3600):
            tone = 0.3 * np.sin(2 * np.pi * (200 + second / 4) * np.arange(rate) / rate)
            block = (tone + random.standard_normal((channels, rate)) * 0.01).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(block.T.reshape(1, -1).copy(), format="flt", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, second * rate, Fraction(1, rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    partial.replace(path)
    return path


def load_and_trim(who: str) -> dict[str, Any]:
    """Ten seconds from the middle of the hour, as samples: by core's nodes or ours; the file not in any cache."""
    folder = import_all()
    name = hour_of_mp3(folder / "input" / "hour.mp3").name
    if who == "core":
        from comfy_extras.nodes_audio import LoadAudio, TrimAudioDuration

        def cut():
            return TrimAudioDuration.execute(LoadAudio.execute(name)[0], START_SECONDS, KEPT_SECONDS)[0]
    else:
        from sound_to_video.nodes.load_audio import LoadAudio
        from sound_to_video.nodes.trim_audio import TrimAudio

        TrimAudio = TrimAudio.PREPARE_CLASS_CLONE({})  # noqa: N806
        TrimAudio.hidden = _hidden()

        def cut():
            audio = LoadAudio.execute(name).args[0]
            return TrimAudio.execute(audio, START_SECONDS, START_SECONDS + KEPT_SECONDS, 0.0, 0.0).args[0]

    import torch  # both have it in memory before they begin

    forget_file(folder / "input" / name)
    with Measured() as first:
        waveform = cut()["waveform"]
    with Measured() as again:
        cut()["waveform"]
    assert isinstance(waveform, torch.Tensor)
    assert abs(waveform.shape[-1] - KEPT_SECONDS * RATE) <= 1
    return {"first_seconds": first.seconds, "again_seconds": again.seconds, "bytes": first.peak_bytes}


def _hidden() -> Any:
    from comfy_api.latest import io

    names = ("unique_id", "prompt", "extra_pnginfo", "dynprompt", "auth_token_comfy_org", "api_key_comfy_org")
    return io.HiddenHolder(**dict.fromkeys(names))


def encode(who: str, seconds: float) -> dict[str, Any]:
    """wav2vec2 large (random weights) over ``seconds`` of sound, and the bytes of what is handed on."""
    folder = import_all()
    import comfy.audio_encoders.audio_encoders
    import comfy.model_patcher  # which the module above uses without asking for it
    import comfy.utils
    import torch
    from sound_to_video.core.audio import audio_from
    from sound_to_video.tests.checkpoints import cache_folder, make

    assert folder
    (path,) = make(cache_folder(), ["wav2vec2"])
    weights = comfy.utils.load_torch_file(str(path))
    encoder = comfy.audio_encoders.audio_encoders.load_audio_encoder_from_sd(weights)
    generator = torch.Generator().manual_seed(0)
    audio = {"waveform": torch.randn([1, 1, round(seconds * 16000)], generator=generator), "sample_rate": 16000}
    with torch.inference_mode():
        if who == "core":
            from comfy_extras.nodes_audio_encoder import AudioEncoderEncode

            with Measured() as measured:
                encoded = AudioEncoderEncode.execute(encoder, audio)[0]
            kept = sum(layer.nbytes for layer in encoded["encoded_audio_all_layers"])
        else:
            from sound_to_video.core.families.wan.features import WanS2VLayout
            from sound_to_video.nodes.audio_encode import AudioEncode

            with Measured() as measured:
                encoded = AudioEncode.execute(audio_from(audio), encoder).args[0]
            kept = encoded.features(WanS2VLayout()).nbytes
    return {"cpu_seconds": measured.cpu_seconds, "bytes": measured.peak_bytes, "kept_bytes": kept}
