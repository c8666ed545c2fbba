"""The plan under the waveform is the one that is sampled: asked for as the browser does, against the sampler's."""

from fractions import Fraction
from itertools import product

import pytest
import torch
from aiohttp import web
from sound_to_video.core.audio import audio_from
from sound_to_video.core.audio.trim import trim
from sound_to_video.core.families import FAMILIES, SamplerInputs
from sound_to_video.core.families.ltx.audio_latents import AudioLatents
from sound_to_video.core.render import plan_of
from sound_to_video.core.scene.prompts import placed
from sound_to_video.server.plan_routes import plan_for

SAMPLE_RATE = 1000
SOUND = audio_from({"waveform": torch.zeros([1, 1, 100 * SAMPLE_RATE]), "sample_rate": SAMPLE_RATE})


def inputs_of(family, start: float, end: float, frame_rate: float, prompts=(), cuts=()) -> SamplerInputs:
    latents = torch.zeros([1, 8, 1, 16])
    text = [[None, {}]]
    positive = [
        *[entry for time in prompts for entry in placed(text, time, cut=False)],
        *[entry for time in cuts for entry in placed(text, time, cut=True)],
    ]
    encoded = AudioLatents(trim(SOUND, start, end), latents, latents, Fraction(25))
    return SamplerInputs(None, None, positive or text, text, encoded, 64, 64, family.rate(frame_rate))


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_the_plan_that_is_shown_is_the_plan_that_is_sampled(family):
    rates = [0, 12, 23.976, 24, 25, 29.97, 30, 60] if family.frame_rate_is_free else [0, float(family.frame_rate)]
    ranges = [(0, 0.02), (1.5, 9.5), (0, 12), (0.1, 20.1), (3, 42), (0, 40), (0.333, 99.9)]
    timelines = [((), ()), ((0, 3, 11.5), ()), ((0,), (2.04, 5))]
    for rate, (start, end), segment, preview, (prompts, cuts) in product(
        rates, ranges, [0, 0.1, 2.5, 3, 10], [0, 4.5], timelines
    ):
        query = {
            "family": family.id,
            "start": str(start),
            "end": str(end),
            "sample_rate": str(SAMPLE_RATE),
            "frame_rate": str(rate),
            "segment_seconds": str(segment),
            "preview_seconds": str(preview),
            "prompts": ",".join(map(str, prompts)),
            "cuts": ",".join(map(str, cuts)),
        }
        sampled = plan_of(family, inputs_of(family, start, end, rate, prompts, cuts), 0, segment, preview)
        assert plan_for(query) == sampled, query


@pytest.mark.parametrize("cut", [False, True])
def test_a_timeline_is_planned_from_its_text(cut):
    family, times = FAMILIES[1], (0, 12, 24)
    text = "0:00 verse\n12 s chorus\n2 guitars join in\n0:24 bridge"
    query = {"family": family.id, "start": "0", "end": "40", "sample_rate": str(SAMPLE_RATE), "timeline": text}
    inputs = inputs_of(family, 0, 40, 0, *(((), times) if cut else (times, ())))
    planned = plan_for({**query, "timeline_cuts": str(int(cut))})
    assert planned == plan_of(family, inputs, 0, 0)
    assert [segment.prompt_seconds for segment in planned.segments] == list(times)


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"start": "1e999999999"}, 400, "start is '1e999999999': give a finite number"),
        ({"end": "nan"}, 400, "end is 'nan'"),
        ({"frame_rate": "nan"}, 400, "frame_rate is 'nan'"),
        ({"segment_seconds": "inf"}, 400, "segment_seconds is 'inf'"),
        ({"preview_seconds": "1e-999999999"}, 400, "preview_seconds is "),
        ({"prompts": "0,5,then"}, 400, "prompts is 'then'"),
        ({"cuts": "9" * 5000}, 400, "cuts is '999"),
        ({"sample_rate": "9" * 5000}, 400, "must be numbers"),
        ({"timeline": "a singer"}, 422, "Prompt Timeline: the first line needs a time"),
        ({"frame_rate": "1e15"}, 422, "set it to 120 or less"),
        ({"end": "1000000", "segment_seconds": "0.1"}, 422, "at most 10000 can be planned"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_query_that_cannot_be_planned(change, status, words):
    query = {"family": "ltx_av", "start": "0", "end": "8", "sample_rate": "44100", **change}
    with pytest.raises(web.HTTPException) as refused:
        plan_for(query)
    assert refused.value.status == status
    assert words in refused.value.text
