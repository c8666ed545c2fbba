"""SECURITY.md promises limits: they are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sound_to_video.core import leftovers, plan, timeline
from sound_to_video.core.audio import media, sound_listing, widget_sounds
from sound_to_video.core.families.ltx import diffusers
from sound_to_video.core.sampling import store
from sound_to_video.server import files, sound_cache, upload_routes, workers

ROOT = Path(__file__).parents[2]
MB, GB = 1 << 20, 1 << 30
POOLS = (workers.analysing, workers.opening, workers.quick, workers.playing)
LIMITS = {
    "Uploads at once; one that sends nothing": (upload_routes.MOST_AT_ONCE, upload_routes.STALLED_SECONDS),
    "A file name; folders in a name": (files.MOST_PART_BYTES, upload_routes.MOST_NAME_BYTES, files.MOST_DEPTH),
    "A number in a query or a workflow": (timeline.LARGEST_NUMBER, timeline.LONGEST_TEXT),
    "A plan": (plan.MAXIMUM_SEGMENTS,),
    "Files that Load Audio lists": (sound_listing.MOST_NAMES, sound_listing.MOST_FOLDERS),
    "A sound: rate, channels": (media.HIGHEST_RATE, media.MOST_CHANNELS),
    "A video: streams, pixels of a frame": (media.MOST_STREAMS, media.MOST_PIXELS // 10**6),
    "config.json, index of shards": (diffusers.MOST_CONFIG_BYTES / MB, diffusers.MOST_INDEX_BYTES / MB),
    "Threads for requests": (sum(pool._most for pool in POOLS),),
    "Kept waveforms and beats; one of them": (sound_cache.MOST_BYTES / MB, sound_cache.MOST_FILE_BYTES / MB),
    "Kept segments": (store.LIMIT_BYTES / GB,),
    "Sounds made in a graph, kept in temp for Trim Audio's waveform": (widget_sounds.MOST_WIDGET_BYTES / GB,),
}


def written() -> dict[str, str]:
    table = (ROOT / "SECURITY.md").read_text("utf-8").partition("## Limits")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")]
    return {row[0]: row[1] for row in rows if len(row) == 2}


@pytest.mark.parametrize("what", LIMITS)
def test_a_limit_is_as_written(what):
    said = written()[what].replace("10¹⁵", str(10**15))
    numbers = tuple(float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", said))
    assert numbers == tuple(map(float, LIMITS[what]))


def test_every_limit_is_looked_at():
    others = {"What", "---", "An upload", "Files of a run that was killed"}  # told in words, or by the host
    assert set(written()) - others == set(LIMITS)
    assert leftovers.LEFT_AFTER_SECONDS == 3600
    assert "an hour" in written()["Files of a run that was killed"]
