"""What a clip can be written as: containers, codecs, settings behind each quality, what the host asks of a VIDEO."""

from dataclasses import dataclass, field, replace

from ..errors import SoundToVideoError

QUALITIES = ("low", "medium", "high", "very high")
DEFAULT_QUALITY = "high"

# Rates that the encoders take. AAC: ISO 14496-3 table 1.18. Opus: RFC 6716 section 2.
AAC_RATES = (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
# Speaker layouts by channel count: AUDIO does not tell, these are the usual ones. None below 6 has a low-frequency
# channel, which AAC and Opus would rob of everything above 120 Hz.
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
OPUS_LAYOUTS = {**LAYOUTS, 4: "quad"}
# libav's Opus encoder swaps three channels of 6.1 (seen with three decoders): its back channel goes to two of 7.1.
OPUS_WRITTEN_AS = {"6.1": "7.1"}


@dataclass(frozen=True)
class ClipFormat:
    """One entry of Mux Audio Video's ``format``."""

    suffix: str
    container: str
    video_codec: str
    pixel_format: str
    quality_option: str  # the encoder's option that ``quality`` sets
    quality_values: tuple[str, str, str, str]  # one for each of QUALITIES
    audio_codec: str
    sample_format: str
    video_options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    codec_tag: str | None = None
    sample_rates: tuple[int, ...] = ()  # empty: any
    layouts: dict[int, str] = field(default_factory=lambda: LAYOUTS)
    written_as: dict[str, str] = field(default_factory=dict)  # layouts that the encoder gets wrong

    @property
    def is_10_bit(self) -> bool:
        """Whether pictures keep 10 bits."""
        return self.pixel_format.endswith("10le")


# "use_metadata_tags" keeps the workflow, as the host's own mp4 does; "faststart" lets a browser play while it loads.
MOVIE = {"movflags": "use_metadata_tags+faststart", "movie_timescale": "90000"}  # edit lists are in its ticks

FORMATS = {
    "mp4 (H.264)": ClipFormat(
        suffix=".mp4",
        container="mp4",
        video_codec="libx264",
        pixel_format="yuv420p",
        quality_option="crf",
        quality_values=("28", "23", "18", "14"),
        audio_codec="aac",
        sample_format="fltp",
        container_options=MOVIE,
        sample_rates=AAC_RATES,
    ),
    "mp4 (H.265)": ClipFormat(
        suffix=".mp4",
        container="mp4",
        video_codec="libx265",
        pixel_format="yuv420p",
        quality_option="crf",
        quality_values=("31", "26", "21", "17"),
        audio_codec="aac",
        sample_format="fltp",
        video_options={"x265-params": "log-level=error"},
        container_options=MOVIE,
        codec_tag="hvc1",  # Apple's players know no other
        sample_rates=AAC_RATES,
    ),
    "webm (VP9)": ClipFormat(
        suffix=".webm",
        container="webm",
        video_codec="libvpx-vp9",
        pixel_format="yuv420p",
        quality_option="crf",
        quality_values=("40", "33", "26", "20"),
        audio_codec="libopus",
        sample_format="flt",
        video_options={"b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
        sample_rates=OPUS_RATES,
        layouts=OPUS_LAYOUTS,
        written_as=OPUS_WRITTEN_AS,
    ),
    "webm (AV1)": ClipFormat(
        suffix=".webm",
        container="webm",
        video_codec="libsvtav1",
        pixel_format="yuv420p10le",
        quality_option="crf",
        quality_values=("45", "35", "27", "20"),
        audio_codec="libopus",
        sample_format="flt",
        video_options={"preset": "8"},
        sample_rates=OPUS_RATES,
        layouts=OPUS_LAYOUTS,
        written_as=OPUS_WRITTEN_AS,
    ),
    "mov (ProRes)": ClipFormat(
        suffix=".mov",
        container="mov",
        video_codec="prores_ks",
        pixel_format="yuv422p10le",
        quality_option="profile",
        quality_values=("proxy", "lt", "standard", "hq"),
        audio_codec="pcm_s24le",
        sample_format="s32",
        video_options={"vendor": "apl0"},
        container_options={**MOVIE, "movflags": "use_metadata_tags"},
    ),
}

H264, WEBM = FORMATS["mp4 (H.264)"], FORMATS["webm (AV1)"]
AV1 = replace(H264, video_codec="libsvtav1", pixel_format="yuv420p", quality_values=WEBM.quality_values)
AV1 = replace(AV1, video_options=WEBM.video_options)
# By container and codec, as the host's Save Video names them. In Matroska the sound is Opus, whose start it keeps.
ASKED = {
    ("mp4", "h264"): H264,
    ("mp4", "av1"): AV1,
    ("webm", "av1"): replace(WEBM, pixel_format="yuv420p"),
}
ASKED |= {
    ("mkv", codec): replace(
        ASKED["mp4", codec],
        suffix=".mkv",
        container="matroska",
        container_options={},
        audio_codec=WEBM.audio_codec,
        sample_format=WEBM.sample_format,
        sample_rates=WEBM.sample_rates,
        layouts=WEBM.layouts,
        written_as=WEBM.written_as,
    )
    for codec in ("h264", "av1")
}
PIXEL_FORMATS = {8: "yuv420p", 10: "yuv420p10le"}


def asked_format(container: str, codec: str, bit_depth: int | None, suffix: str = "") -> ClipFormat:
    """The format that the host asks of a VIDEO.

    container, codec: ``auto`` or as in ASKED.  bit_depth: None is 8.  suffix: of the file, for the container ``auto``.
    Raises SoundToVideoError for what is not written.
    """
    if container == "auto":
        container = suffix.lower().lstrip(".") if suffix.lower() in (".mkv", ".webm") else "mp4"
    if codec == "auto":
        codec = "av1" if container == "webm" else "h264"
    if (container, codec) not in ASKED:
        known = ", ".join(f"{codec} in {container}" for container, codec in ASKED)
        raise SoundToVideoError(
            f"this VIDEO is not written as {codec} in {container}; choose {known}, or use Mux Audio Video."
        )
    if (bit_depth or 8) not in PIXEL_FORMATS:
        raise SoundToVideoError(f"this VIDEO is written with 8 or 10 bits, not with {bit_depth}: choose one of them.")
    return replace(ASKED[container, codec], pixel_format=PIXEL_FORMATS[bit_depth or 8])
