"""Latents on disk: what goes in comes out, and a disk that fails loses nothing."""

import gc

import pytest
import torch
from sound_to_video.core.latent_spool import LatentSpool


def pieces(*lengths: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn([1, 4, n, 3, 2], generator=generator) for n in lengths]


def test_segments_come_back_as_they_went_in(tmp_path):
    spool = LatentSpool(tmp_path)
    segments = pieces(20, 20, 5)
    for segment in segments:
        spool.append(segment)
    assert [torch.equal(a, b) for a, b in zip(spool, segments, strict=True)] == [True] * 3
    assert torch.equal(spool[-1], segments[-1])
    assert torch.equal(spool.tensor(), torch.cat(segments, dim=2))


def test_the_file_goes_with_the_spool(tmp_path):
    spool = LatentSpool(tmp_path)
    spool.append(pieces(3)[0])
    assert len(list(tmp_path.iterdir())) == 1
    mapped = spool.tensor()
    del spool
    gc.collect()
    assert mapped.isfinite().all()


def test_the_end_of_the_history(tmp_path):
    spool = LatentSpool(tmp_path)
    for segment in pieces(7):
        spool.append(segment)
    history = spool.from_here()
    assert len(history) == 0
    segments = [torch.full([1, 4, n, 2, 2], float(n)) for n in (20, 5, 7)]
    for segment in segments:
        spool.append(segment)
    last = history.last(19)
    assert last[0, 0, :, 0, 0].tolist() == [20.0] * 7 + [5.0] * 5 + [7.0] * 7
    assert history.last(99).shape[2] == 32
    assert torch.equal(history[0], segments[0])
    with pytest.raises(IndexError):
        history[3]


def test_a_folder_that_cannot_be_written_keeps_everything_in_memory(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    spool = LatentSpool(in_the_way / "temp")
    segments = pieces(4, 2)
    for segment in segments:
        spool.append(segment)
    assert torch.equal(spool.tensor(), torch.cat(segments, dim=2))


def test_a_disk_that_fills_up_midway_loses_nothing(tmp_path, monkeypatch):
    spool = LatentSpool(tmp_path)
    segments = pieces(4, 2, 3)
    spool.append(segments[0])
    (file,) = tmp_path.iterdir()
    file.chmod(0o400)
    monkeypatch.setattr(type(file), "open", _full_disk(type(file).open))
    spool.append(segments[1])
    spool.append(segments[2])
    monkeypatch.undo()
    assert torch.equal(torch.cat(list(spool), dim=2), torch.cat(segments, dim=2))
    assert torch.equal(spool.tensor(), torch.cat(segments, dim=2))


def _full_disk(really_open):
    def open_full(path, mode="r", *args, **kwargs):
        if "+" in mode or "w" in mode:
            raise OSError(28, "No space left on device")
        return really_open(path, mode, *args, **kwargs)

    return open_full
