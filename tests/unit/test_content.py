"""Names of values: equal for equal content, another for any other, none where content cannot be told."""

import dataclasses
import enum
import functools
import subprocess
import sys
import types
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from sound_to_video.core.sampling.content import ByGraph, Unnameable, content_key

ROOT = Path(__file__).resolve().parents[2]


class Mode(enum.Enum):
    NEAR = 1
    FAR = 2


@dataclasses.dataclass
class Record:
    scale: float


class Other:
    def __init__(self, scale: float):
        self.scale = scale


def function():
    pass


def test_values_of_every_kind_are_told_apart():
    values = [
        *(np.zeros(3), np.ones(3), np.zeros(3, np.float32), np.float32(1), np.float64(1)),
        *({1, 2}, {1, 3}, {1: 2}, {"1": 2}, [1, 2], (1, 2, 3), range(3), slice(3)),
        *(Fraction(1, 3), Fraction(2, 3), 1, 1.0, True, "1", b"1", None, 1j),
        *(torch.float16, torch.bfloat16, Path("a"), Path("b"), Mode.NEAR, Mode.FAR),
        *(Record(1.0), Record(2.0), function, functools.partial(function, 1), Record, torch.nn.functional.relu),
        *(torch.zeros(3), torch.zeros(3).half(), torch.zeros(3, 1), torch.zeros(3, dtype=torch.bool)),
    ]
    assert len({content_key(value) for value in values}) == len(values)
    assert content_key({2, 1}) == content_key({1, 2})
    assert content_key([1, 2]) == content_key((1, 2))


@pytest.mark.parametrize(
    "value", [lambda: 1, Other(1.0), Other(1.0).__init__, object(), np.array([object()]), torch.eye(3).to_sparse()]
)
def test_what_cannot_be_told_apart_has_no_name(value):
    for whole in (value, {"a": [value]}, Record(value), functools.partial(function, value)):
        with pytest.raises(Unnameable):
            content_key(whole)


def test_where_a_part_has_no_name_the_graph_speaks_for_it_and_for_nothing_else():
    def key(value, graph):
        return content_key(ByGraph(value, lambda: graph))

    assert key([1, Other(1)], "made so") == key([1, Other(2)], "made so")
    assert key([1, Other(1)], "made so") != key([2, Other(1)], "made so")
    assert key([1, Other(1)], "made so") != key([1, Other(1)], "made otherwise")
    assert key([1, 2], "made so") == key([1, 2], "made otherwise")
    with pytest.raises(Unnameable, match="Other"):
        key([1, Other(1)], None)
    with pytest.raises(Unnameable, match="Other"):
        content_key(Other(1), ByGraph(Other(1), lambda: "made so"))


@pytest.mark.slow
def test_another_process_gives_the_same_names():
    program = """
import sys
sys.path[:0] = sys.argv[1:2]
import types
package = types.ModuleType("sound_to_video")
package.__path__ = sys.argv[1:2]
sys.modules["sound_to_video"] = package
import torch
from fractions import Fraction
from sound_to_video.core.sampling.content import content_key
relu = torch.nn.functional.relu
print(content_key({"b", "a", "c"}, {"x": torch.arange(4), "a": Fraction(1, 3)}, relu, torch.float16))
"""
    relu = torch.nn.functional.relu
    wanted = content_key({"b", "a", "c"}, {"x": torch.arange(4), "a": Fraction(1, 3)}, relu, torch.float16)
    run = subprocess.run([sys.executable, "-c", program, str(ROOT)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == wanted


def test_where_a_pack_is_installed_is_not_in_its_names(monkeypatch):
    """The host names the module of a pack by the path of its folder."""
    keys = set()
    for folder in ("/home/one/custom_nodes/a-pack", "/srv/custom_nodes/a-pack", r"C:\\ComfyUI\\custom_nodes\\a-pack"):
        module = types.ModuleType(f"{folder}.nodes")
        module.Patch = dataclasses.make_dataclass("Patch", ["scale"])
        module.Patch.__module__ = module.__name__
        monkeypatch.setitem(sys.modules, module.__name__, module)
        keys.add(content_key(module.Patch, module.Patch(0.5)))
    assert len(keys) == 1
