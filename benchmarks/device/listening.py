"""Audio Encode on a card that is nearly full: the host must be asked for room before the encoder runs."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sound_to_video.benchmarks.device.networks import WAN_14B, random_model
from sound_to_video.benchmarks.device.rows import GIGABYTE, Row, checked, figure
from sound_to_video.benchmarks.device.start import start

SECONDS = 180
FULL = 0.9


def crowded(tiny: bool) -> Iterator[Row]:
    """wav2vec2 large over three minutes while a video model that the host may move away fills 90 % of the card."""
    start(tiny, keep_on_card=False)
    import comfy.audio_encoders.audio_encoders
    import comfy.ldm.wan.model
    import comfy.model_management
    import comfy.utils
    import torch
    from sound_to_video.core.audio import audio_from
    from sound_to_video.core.families import listen
    from sound_to_video.core.families.wan.features import WanS2VLayout
    from sound_to_video.tests.checkpoints import cache_folder, make

    path = next(make(cache_folder(), ["wav2vec2"]))
    encoder = comfy.audio_encoders.audio_encoders.load_audio_encoder_from_sd(
        comfy.utils.load_torch_file(str(path), safe_load=True)
    )
    seconds = 2 if tiny else SECONDS
    noise = torch.randn([1, 1, 16000 * seconds], generator=torch.Generator().manual_seed(1))
    audio = audio_from({"waveform": 0.1 * noise, "sample_rate": 16000})
    ballast = []
    if not tiny:
        model = random_model(comfy.ldm.wan.model.WanModel_S2V, {**WAN_14B, "num_layers": 20})
        comfy.model_management.load_models_gpu([model])
        free, total = torch.cuda.mem_get_info()
        taken = int(FULL * total) - (total - free)
        ballast.append(torch.empty(max(0, taken), dtype=torch.uint8, device="cuda"))
        free, total = torch.cuda.mem_get_info()
        yield figure("free before Audio Encode of 3 min", free / GIGABYTE, "GB", 1)
    what = f"Audio Encode of {seconds} s on a full card"
    with torch.inference_mode():
        started = time.perf_counter()
        try:
            encoded = listen(audio, encoder)
            features = encoded.features(WanS2VLayout())
            text = f"{time.perf_counter() - started:.1f} s, finite"
            yield checked(what, bool(features.isfinite().all()), text)
        except Exception as error:  # whatever it is, it belongs into the table
            yield checked(
                f"Audio Encode of {seconds} s on a full card", False, f"{type(error).__name__}: {error}"[:300]
            )
    del ballast
