"""Mux Audio Video: frames and sound to a clip."""

from datetime import datetime

import comfy.model_management
import comfy.utils
import folder_paths
from comfy.cli_args import args
from comfy_api.latest import InputImpl, io, ui

from ..core.audio import audio_from
from ..core.clip.formats import DEFAULT_QUALITY, FORMATS, QUALITIES
from ..core.clip.mux import write_clip
from ..core.clip.names import check_prefix, fitting, numbered, with_dates
from ..core.errors import SoundToVideoError
from ..core.frames.reading import frames_of
from ._errors import named_errors
from ._inputs import frame_rate_of_images


class MuxAudioVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoundToVideo_MuxAudioVideo",
            display_name="Mux Audio Video",
            category="sound to video",
            description=(
                "Writes the clip: pictures and sound, each encoded once, in step to the sample. Frames are decoded and "
                "encoded a few at a time, so that long clips fit in memory."
            ),
            search_aliases=[
                "save video",
                "export video",
                "video combine",
                "mp4",
                "webm",
                "prores",
                "h264",
                "add audio",
            ],
            inputs=[
                io.MultiType.Input("video", types=[io.Video, io.Image], tooltip="A VIDEO, or the frames of one."),
                io.Audio.Input(
                    "audio", optional=True, tooltip="The sound of the clip. Left open, the VIDEO's own sound is kept."
                ),
                io.Combo.Input(
                    "format",
                    options=list(FORMATS),
                    default="mp4 (H.264)",
                    tooltip=(
                        "H.264 plays everywhere. H.265 and AV1 are smaller, and slower to write. ProRes is for editing "
                        "programs; browsers cannot play it. Sound: AAC in mp4, Opus in webm, uncompressed in mov."
                    ),
                ),
                io.Combo.Input("quality", options=list(QUALITIES), default=DEFAULT_QUALITY),
                io.String.Input(
                    "filename_prefix",
                    default="video/sound_to_video",
                    tooltip=(
                        "Where to save in the output folder. Takes %date:yyyy-MM-dd%, %year% ... %second%, %width% and "
                        "%height%."
                    ),
                ),
                frame_rate_of_images(),
            ],
            outputs=[io.Video.Output()],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, filename_prefix=None) -> bool | str:
        """Before anything is sampled: whether there is a place for the clip. None: the prefix comes from a node."""
        try:
            if filename_prefix is not None:
                prefix = with_dates(filename_prefix, datetime.now())
                check_prefix(prefix, folder_paths.get_output_directory())
        except SoundToVideoError as error:
            return f"Mux Audio Video: {error}"
        return True

    @classmethod
    @named_errors("Mux Audio Video")
    def execute(cls, video, format, quality, filename_prefix, frame_rate, audio=None) -> io.NodeOutput:
        stream = frames_of(video, frame_rate, as_levels=True)
        sound = stream.audio if audio is None else audio_from(audio)
        prefix = fitting(with_dates(filename_prefix, datetime.now()))
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            prefix, folder_paths.get_output_directory(), stream.width, stream.height
        )
        names = numbered(folder, name, counter, FORMATS[format].suffix)
        progress = comfy.utils.ProgressBar(stream.frame_count)

        def on_frames(count: int) -> None:
            comfy.model_management.throw_exception_if_processing_interrupted()
            progress.update_absolute(count, max(count, stream.frame_count))

        path = write_clip(names, stream.groups, stream.frame_rate, sound, format, quality, cls._metadata(), on_frames)
        shown = ui.PreviewVideo([ui.SavedResult(path.name, subfolder, io.FolderType.output)])
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)), ui=shown)

    @classmethod
    def _metadata(cls) -> dict | None:
        """The workflow and prompt, under the keys of core's Save Video; none with --disable-metadata."""
        if args.disable_metadata:
            return None
        prompt = {} if cls.hidden.prompt is None else {"prompt": cls.hidden.prompt}
        return {**(cls.hidden.extra_pnginfo or {}), **prompt}
