"""Latents on disk: what goes in comes out, and a disk that fails loses nothing."""

import gc
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.sampling import spool as latent_spool
from sound_to_video.core.sampling.spool import LatentSpool


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


@pytest.mark.slow
def test_the_file_goes_with_the_spool(tmp_path):
    spool = LatentSpool(tmp_path)
    spool.append(pieces(3)[0])
    mapped = spool.tensor()
    before = mapped.clone()
    del spool
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    assert mapped.equal(before)


def test_whoever_empties_the_temp_folder_takes_no_latents(tmp_path):
    """Another ComfyUI that starts does so; what is decoded, sampled or saved after that is as it was."""
    spool = LatentSpool(tmp_path / "temp")
    segments = pieces(4, 2, 3)
    spool.append(segments[0])
    shutil.rmtree(tmp_path / "temp", ignore_errors=True)
    for segment in segments[1:]:
        spool.append(segment)
    assert torch.equal(torch.cat(list(spool), dim=2), torch.cat(segments, dim=2))
    assert torch.equal(spool.tensor(), torch.cat(segments, dim=2))


def test_a_file_that_was_cut_off_is_said_and_never_becomes_picture(tmp_path):
    spool = LatentSpool(tmp_path)
    for segment in pieces(4, 2):
        spool.append(segment)
    assert spool._file is not None
    spool._file.truncate(4 * 4 * 3 * 2 * 4 + 10)
    assert torch.equal(spool[0], pieces(4, 2)[0])
    with pytest.raises(SoundToVideoError, match="cut off by another program"):
        spool[1]
    with pytest.raises(SoundToVideoError, match="cut off by another program"):
        spool.tensor()


def test_several_threads_read_one_spool(tmp_path):
    spool = LatentSpool(tmp_path)
    segments = pieces(*[1] * 40)
    for segment in segments:
        spool.append(segment)
    order = [index % 40 for index in range(7, 2007, 7)]
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(spool.__getitem__, order))
    assert all(torch.equal(each, segments[index]) for each, index in zip(read, order, strict=True))


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
    monkeypatch.setattr(latent_spool, "write_whole", _full_disk)
    spool.append(segments[1])
    spool.append(segments[2])
    monkeypatch.undo()
    assert torch.equal(torch.cat(list(spool), dim=2), torch.cat(segments, dim=2))
    assert torch.equal(spool.tensor(), torch.cat(segments, dim=2))


def _full_disk(file, data):
    file.write(data[: len(data) // 2])
    raise OSError(28, "No space left on device")
