"""What a killed server leaves goes, and nothing else does."""

import os
import re
import time

import pytest
from sound_to_video.core.leftovers import PARTIAL, Kind, drop_oldest, sweep

OURS = [".upload-a1_b2c3d.part", ".clip_00001_.0a1b2c3d.part", ".voice.wav.89abcdef.part", ".あ b.00000000.part"]
THEIRS = [
    "clip.mp4",
    ".upload-a1.part",
    "upload-a1_b2c3d.part",
    ".clip.0a1b2c3.part",
    ".clip.0a1b2c3d.parts",
    ".0a1b2c3d.part",
    "movie.part",
    ".hidden",
]


def aged(path, hours: float):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    then = time.time() - hours * 3600
    os.utime(path, (then, then))
    return path


def test_only_ours_and_only_old_ones_are_removed(tmp_path):
    old = [aged(tmp_path / folder / name, 2) for name in OURS for folder in ("", "sub/deeper")]
    young = [aged(tmp_path / "young" / name, 0.9) for name in OURS]
    theirs = [aged(tmp_path / folder / name, 99) for name in THEIRS for folder in ("", "sub")]
    assert sorted(sweep([Kind(tmp_path, PARTIAL)])) == sorted(old)
    assert all(path.exists() for path in young + theirs)
    assert sorted(sweep([Kind(tmp_path, PARTIAL)], time.time() + 3600)) == sorted(young)


def test_links_are_neither_followed_nor_removed(tmp_path):
    outside = aged(tmp_path / "outside" / OURS[0], 2)
    folder = tmp_path / "input"
    folder.mkdir()
    (folder / "link").symlink_to(outside.parent, target_is_directory=True)
    (folder / OURS[1]).symlink_to(outside)
    (folder / OURS[2]).mkdir()
    assert sweep([Kind(folder, PARTIAL), Kind(tmp_path / "nowhere", PARTIAL)]) == []
    assert outside.exists()
    assert (folder / OURS[1]).is_symlink()
    assert (folder / OURS[2]).is_dir()


def test_what_our_writers_leave_is_what_is_looked_for(tmp_path, monkeypatch):
    """The names as the code makes them, so that neither side changes alone."""
    from pathlib import Path

    from sound_to_video.core import samples
    from sound_to_video.core.clip import mux
    from sound_to_video.server import sound_cache
    from sound_to_video.server.upload_routes import _Partial

    partial = _Partial(tmp_path / "voice.wav")
    name = Path(partial.file.name).name
    partial.close()
    assert PARTIAL.fullmatch(name)

    seen = []

    def killed(source, target, *rest, **more):
        seen.append(Path(target).name)
        raise OSError("killed")

    monkeypatch.setattr(samples.shutil, "copyfile", killed)
    samples.install_samples(tmp_path)
    monkeypatch.setattr(mux, "_write", lambda path, *rest: killed(None, path))
    with pytest.raises(ValueError, match=r"not written"):
        mux.write_clip(tmp_path / "clip [1].mp4", [], 16)
    assert len(seen) > 2
    assert all(PARTIAL.fullmatch(name) for name in seen), seen

    monkeypatch.setattr(sound_cache, "directory", lambda: tmp_path / "cache")
    sound_cache._keep(tmp_path / "cache" / "x", lambda file: seen.append(Path(file.name).name))
    assert sound_cache.PARTIAL.fullmatch(seen[-1])


def test_the_oldest_of_what_is_kept_goes_first(tmp_path):
    names = re.compile(r"kept_[0-9]\.bin")
    files = []
    for number in range(6):
        path = aged(tmp_path / f"kept_{number}.bin", 10 - number)
        path.write_bytes(bytes(100))
        os.utime(path, (number + 1, number + 1))
        files.append(path)
    other = aged(tmp_path / "other.bin", 99)
    (tmp_path / "kept_7.bin").symlink_to(other)
    (tmp_path / "kept_8.bin").mkdir()
    drop_oldest(tmp_path, names, 250, keep=[files[0]])
    assert [path.exists() for path in files] == [True, False, False, False, False, True]
    assert other.exists()
