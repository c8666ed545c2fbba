"""Compare Clips: two videos on one node, in step, with one sound."""

import comfy.model_management
import comfy.utils
import folder_paths
from comfy_api.latest import io, ui

from ..core.audio import Audio, audio_from
from ..core.clip.formats import FORMATS
from ..core.clip.mux import write_clip
from ..core.clip.names import numbered
from ..core.frames.reading import FrameStream, frames_of
from ._errors import named_errors

FORMAT = "mp4 (H.264)"  # what every browser plays
PREFIX = "sound_to_video_compare"


class CompareClips(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoundToVideo_CompareClips",
            display_name="Compare Clips",
            category="sound to video",
            description=(
                "Plays two videos together on the node, with one sound: side by side, or one over the other with a "
                "line to draw between them."
            ),
            search_aliases=["compare videos", "side by side", "wipe", "before after", "a b"],
            inputs=[
                io.Video.Input("first", tooltip="Shown on the left."),
                io.Video.Input("second", tooltip="Shown on the right."),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="The sound of both. Left open: that of the first, or else of the second.",
                ),
            ],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    @named_errors("Compare Clips")
    def execute(cls, first, second, audio=None) -> io.NodeOutput:
        one, other = frames_of(first, 1), frames_of(second, 1)
        sound = (one.audio or other.audio) if audio is None else audio_from(audio)
        written = Written(one.frame_count + other.frame_count)
        # The sound is in the first only: two that play together would be heard twice.
        shown = [written.clip(one, sound), written.clip(other, None)]
        return io.NodeOutput(ui={"sound_to_video_compare": shown})


class Written:
    """Clips in the host's temp folder, behind one progress bar over ``frame_count`` frames."""

    def __init__(self, frame_count: int):
        self._progress = comfy.utils.ProgressBar(frame_count)
        self._done = 0

    def clip(self, stream: FrameStream, sound: Audio | None) -> dict:
        """Write a clip; where it is, as the host's ``/view`` wants it, and its frame rate."""
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            PREFIX, folder_paths.get_temp_directory()
        )
        count = 0

        def on_frames(frames: int) -> None:
            nonlocal count
            comfy.model_management.throw_exception_if_processing_interrupted()
            count = frames
            self._progress.update_absolute(self._done + count)

        names = numbered(folder, name, counter, FORMATS[FORMAT].suffix)
        path = write_clip(names, stream.groups, stream.frame_rate, sound, FORMAT, on_frames=on_frames)
        self._done += count
        file = ui.SavedResult(path.name, subfolder, io.FolderType.temp)
        return {**file, "frame_rate": float(stream.frame_rate), "frame_count": count}
