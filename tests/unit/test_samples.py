"""The bundled workflows' media arrive in the input folder, and nothing of the user's is touched."""

import logging

import av
from PIL import Image
from sound_to_video.core.samples import install_samples

NAMES = {
    "sound_to_video_face.png",
    "sound_to_video_shapes.png",
    "sound_to_video_portrait.png",
    "sound_to_video_two_people.png",
    "sound_to_video_stage.png",
    "sound_to_video_speaker.mp4",
    "sound_to_video_voice.wav",
    "sound_to_video_second_voice.wav",
    "sound_to_video_music.flac",
}


def test_all_samples_arrive_once(tmp_path):
    assert {path.name for path in install_samples(tmp_path / "input")} == NAMES
    assert {path.name for path in (tmp_path / "input").iterdir()} == NAMES
    assert install_samples(tmp_path / "input") == []


def test_a_file_of_the_user_is_kept(tmp_path):
    mine = tmp_path / "sound_to_video_voice.wav"
    mine.write_bytes(b"mine")
    install_samples(tmp_path)
    assert mine.read_bytes() == b"mine"


def test_a_folder_that_cannot_be_written_is_only_logged(tmp_path, caplog):
    blocked = tmp_path / "input"
    blocked.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert install_samples(blocked) == []
    assert "sound_to_video_voice.wav" in caplog.text


def test_samples_are_what_their_names_say(tmp_path):
    for path in install_samples(tmp_path):
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert picture.mode == "RGB"
                assert min(picture.size) >= 480
        else:
            with av.open(str(path)) as container:
                samples = sum(frame.samples for frame in container.decode(audio=0))
                assert 4 <= samples / container.streams.audio[0].rate <= 9
