"""Job files: what is read, what is refused, with line numbers."""

import pytest

from farm.errors import BadRows, FarmError
from farm.jobs import make_jobs
from farm.rows import Row, read_rows

WORKFLOW = "quickstart_portrait_and_voice"


def written(folder, text: str, name: str = "jobs.csv"):
    path = folder / name
    path.write_bytes(text.encode("utf-8"))
    return path


@pytest.mark.parametrize("cross", [",", ";", "\t"])
def test_a_table_of_any_country(tmp_path, cross):
    text = "\ufeffout,seed\r\none,1\r\n\r\ntwo,\r\n".replace(",", cross)
    assert read_rows(written(tmp_path, text)) == [Row(2, {"out": "one", "seed": "1"}), Row(4, {"out": "two"})]


def test_lines_are_counted_over_quoted_breaks(tmp_path):
    text = 'out,prompt\na,"first\nsecond, third"\nb,x\n'
    assert read_rows(written(tmp_path, text)) == [
        Row(2, {"out": "a", "prompt": "first\nsecond, third"}),
        Row(4, {"out": "b", "prompt": "x"}),
    ]


def test_json_lines_keep_their_types(tmp_path):
    text = '{"out": "a", "seed": 3, "keep_segments": false}\n\n{"out": "b", "seed": null}\n'
    rows = read_rows(written(tmp_path, text, "jobs.jsonl"))
    assert rows == [Row(1, {"out": "a", "seed": 3, "keep_segments": False}), Row(3, {"out": "b"})]


def test_json_lines_end_at_line_breaks_only(tmp_path):
    text = '{"prompt": "one\u2028two\x85"}\r\n{"out": "b"}'
    rows = read_rows(written(tmp_path, text, "jobs.jsonl"))
    assert rows == [Row(1, {"prompt": "one\u2028two\x85"}), Row(2, {"out": "b"})]


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("jobs.csv", 'out,prompt\na,b\nc,"open\n' + "d,e\n" * 50_000, [3]),
        ("jobs.csv", "out,seed\na,1,2\nb,1\nc,1,2,3\n", [2, 4]),
        ("jobs.csv", "out,out\na,b\n", [1]),
        ("jobs.jsonl", '{"out": "a"}\n{"out": \n[1]\n', [2, 3]),
    ],
)
def test_what_is_no_row_is_told_with_its_line(tmp_path, name, text, lines):
    with pytest.raises(BadRows) as refused:
        read_rows(written(tmp_path, text, name))
    assert [line for line, _ in refused.value.problems] == lines


@pytest.mark.parametrize(("name", "text"), [("jobs.txt", "out\na\n"), ("jobs.csv", "out\n"), ("gone/jobs.csv", None)])
def test_what_is_no_job_file(tmp_path, name, text):
    path = tmp_path / name if text is None else written(tmp_path, text, name)
    with pytest.raises(FarmError, match=r"\.$"):
        read_rows(path)


def jobs_of(rows, tmp_path, default=WORKFLOW):
    return make_jobs(rows, tmp_path, tmp_path / "out", default, None)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"workflow": "nowhere.json"}, "no workflow 'nowhere.json'"),
        ({"workflow": "broken.json"}, "cannot be read"),
        ({"out": "../up"}, "give a name in the output folder"),
        ({"out": "C:/clip"}, "give a name in the output folder"),
        ({"out": ".render/done"}, "give a name in the output folder"),
        ({"out": "file/clip"}, "cannot be written"),
        ({"out": "GOOD"}, "as on line 2"),
    ],
)
def test_rows_that_cannot_be_done_are_told_together(tmp_path, values, why):
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_text("no folder")
    with pytest.raises(BadRows, match=f"line 3: .*{why}") as refused:
        jobs_of([Row(2, {"out": "good"}), Row(3, values), Row(9, {"workflow": "nor this"})], tmp_path)
    assert [line for line, _ in refused.value.problems] == [3, 9]


def test_a_row_without_a_workflow_is_told(tmp_path):
    with pytest.raises(BadRows, match="line 2: there is no workflow"):
        jobs_of([Row(2, {"out": "a"})], tmp_path, default=None)


def test_the_digest_is_of_contents(tmp_path):
    sound = tmp_path / "voice.wav"
    sound.write_bytes(b"one")

    def digest(**values) -> str:
        return jobs_of([Row(2, {"sound": "voice.wav", **values})], tmp_path)[0].digest

    first = digest(seed="1")
    assert digest(seed="1") == first == digest(seed="1", out="another name")
    assert digest(seed="2") != first
    sound.write_bytes(b"two")
    assert digest(seed="1") != first
