"""Key Frames through the node: what goes on to the samplers, and what is said where it cannot."""

import pytest
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.scene.key_frames import KeyFrame
from sound_to_video.nodes._sampler import sampler_inputs
from sound_to_video.nodes.key_frames import KeyFrames
from sound_to_video.tests.ltx import pictures


def test_pictures_go_on_with_their_times():
    before = KeyFrames.execute(pictures(1, width=33), "first", 0.5)[0]
    frames = KeyFrames.execute(pictures(2), "0:42\nlast", 1.0, before)[0]
    assert all(isinstance(frame, KeyFrame) for frame in frames)
    assert [(frame.seconds, frame.strength) for frame in frames] == [(0, 0.5), (42, 1.0), (None, 1.0)]
    assert [tuple(frame.picture.shape) for frame in frames] == [(1, 72, 33, 3), (1, 72, 80, 3), (1, 72, 80, 3)]


@pytest.mark.parametrize("of_picture", [True, False])
def test_the_samplers_take_what_the_node_gives(of_picture):
    (socket,) = [entry for entry in sampler_inputs(of_picture) if entry.id == "key_frames"]
    assert socket.optional and socket.get_io_type() == KeyFrames.GET_SCHEMA().outputs[0].get_io_type()


@pytest.mark.parametrize(
    ("images", "times", "words"),
    [
        (pictures(2), "last", "Key Frames: 2 pictures and 1 time: write a time for each picture"),
        (pictures(1), "end", "Key Frames: 'end' is no time: write first, last, or a time such as"),
        ("a.png", "last", "Key Frames: the picture is a str, not an IMAGE"),
    ],
)
def test_what_cannot_be_is_said_on_the_node(images, times, words):
    with pytest.raises(SoundToVideoError) as error:
        KeyFrames.execute(images, times, 1.0)
    assert str(error.value).startswith(words)
