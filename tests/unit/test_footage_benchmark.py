"""The benchmark of footage runs: its stubs stand where the real sampler and decoder do."""

import av
import pytest
from sound_to_video.benchmarks import footage


@pytest.mark.slow
@pytest.mark.usefixtures("as_in_a_node")
def test_a_clip_is_made_of_every_frame_with_the_network_left_out(tmp_path, monkeypatch):
    for name, value in {"WIDTH": 192, "HEIGHT": 108, "ROUND_SECONDS": 1, "ROUNDS": 2}.items():
        monkeypatch.setattr(footage, name, value)
    (tmp_path / "temp").mkdir()
    footage.rendered(tmp_path, 2).save_to(str(tmp_path / "clip.mp4"))
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert container.streams.video[0].codec_context.width == 192
        assert sum(1 for _ in container.decode(video=0)) == 2 * footage.FRAME_RATE
