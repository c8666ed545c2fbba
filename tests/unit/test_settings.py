"""Official settings and sizes: fields that the samplers have, on grids that lose nothing."""

from fractions import Fraction

import pytest
from sound_to_video.core.families import FAMILIES
from sound_to_video.core.families.options import OPTIONS
from sound_to_video.core.families.settings import ASPECTS, MOST_PIXELS
from sound_to_video.nodes._sampler import sampler_inputs

VARIANTS = [(family, variant) for family in FAMILIES for variant in family.variants]
each = pytest.mark.parametrize(("family", "variant"), VARIANTS, ids=lambda one: getattr(one, "name", ""))
INPUTS = {entry.id: entry.as_dict() for entry in sampler_inputs(of_picture=True)}


def test_every_family_has_some():
    assert [family.name for family in FAMILIES if not family.variants] == []
    names = [variant.name for _, variant in VARIANTS]
    assert len(set(names)) == len(names)


@each
def test_settings_are_values_that_the_fields_take(family, variant):
    known = set(INPUTS) - set(OPTIONS) | {option.name for option in family.options}
    for setting in variant.settings:
        for name, value in setting.values.items():
            about = INPUTS[name]
            if "options" in about:
                assert value in about["options"], (setting.name, name)
            else:
                assert about["min"] <= value <= about["max"], (setting.name, name)
            assert name in known, "an option that the family does not know would do nothing"
    assert len({setting.name for setting in variant.settings}) == len(variant.settings)


@each
def test_sizes_are_on_the_grid_of_the_aspect_and_no_larger_than_official(family, variant):
    assert variant.multiple % family.size_multiple == 0
    for name in variant.aspects:
        width, height = variant.size(ASPECTS[name])
        assert width % variant.multiple == height % variant.multiple == 0
        assert 0.8 * variant.pixels <= width * height <= MOST_PIXELS * variant.pixels
        assert abs(width / height / float(ASPECTS[name]) - 1) < 0.06, name


@each
@pytest.mark.parametrize("aspect", [Fraction(1, 100_000), Fraction(3, 7), Fraction(1919, 1080), Fraction(10_000)])
def test_any_picture_has_a_size(family, variant, aspect):
    width, height = variant.size(aspect)
    assert width % variant.multiple == height % variant.multiple == 0
    assert variant.multiple**2 <= width * height <= MOST_PIXELS * variant.pixels


def test_sizes_of_wan_s2v_lose_no_rows_of_far_motion():
    (variant,) = next(family for family in FAMILIES if family.id == "wan_s2v").variants
    for name in ASPECTS:
        assert [side % 64 for side in variant.size(ASPECTS[name])] == [0, 0]
