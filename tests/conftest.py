"""The pack as ``sound_to_video``, the host beside it, and what every layer of tests shares.

Test modules import the pack as ``sound_to_video.core.…`` and the helpers as ``sound_to_video.dev_support.…`` and
``sound_to_video.tests.…``. The pack's own ``__init__.py`` runs only inside the host.
"""

import os
import shutil
import sys
import types
from pathlib import Path

import pytest

# Tests, server and browser share the cores: threads that wait for work must not spin. Read when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "sound_to_video"


def _alias_package(name: str, folder: Path) -> None:
    package = types.ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package


_alias_package(PACKAGE, ROOT)
_alias_package("farm", ROOT / "farm")  # as `render.py` has it: it is no part of what runs in ComfyUI

from sound_to_video.dev_support.chromium import find_chromium, how_to_get_chromium  # noqa: E402
from sound_to_video.dev_support.host import DEV_DIRECTORY, import_host  # noqa: E402
from sound_to_video.dev_support.server import ComfyServer  # noqa: E402

from farm.client import Client  # noqa: E402

HOST = import_host(DEV_DIRECTORY / "test-host")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--extend-contract", action="store_true", help="record new nodes in tests/nodes/contract.json")
    parser.addoption("--long", action="store_true", help="also what takes many minutes (marked long)")
    parser.addoption("--write-locales", action="store_true", help="write locales/ of dev_support/translations")
    parser.addoption("--fuzz-seed", type=int, default=1, help="of everything random in tests/fuzz")
    parser.addoption("--fuzz-minutes", type=float, default=0.0, help="how long each fuzzer goes on; 0: a small round")


# Fixtures: whatever uses one is slow without being marked so.
STARTS_A_PROGRAM = {"start_server", "chromium_path"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    import torch

    for item in items:
        if STARTS_A_PROGRAM.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    for item in items:
        if item.get_closest_marker("long") and not config.getoption("--long"):
            item.add_marker(pytest.mark.skip(reason="takes many minutes: needs --long"))
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


class Checkpoints:
    """Small random checkpoints, each made when first asked for, in a folder laid out as ComfyUI's ``models``."""

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, name: str) -> Path:
        """The file of checkpoint ``name`` (see ``tests/checkpoints.py`` CHECKPOINTS)."""
        from sound_to_video.tests.checkpoints import make

        return next(make(self.folder, [name]))

    def name(self, name: str) -> str:
        """Its name as loader nodes offer it."""
        return self.path(name).name


@pytest.fixture(scope="session")
def checkpoints() -> Checkpoints:
    from sound_to_video.tests.checkpoints import cache_folder

    return Checkpoints(cache_folder())


@pytest.fixture(scope="session")
def start_server(checkpoints):
    """``start_server(name, **options)``: a running ComfyServer, base directory ``.dev/NAME`` (made anew).

    Options are ``ComfyServer``'s. One server is enough for most tests: take ``comfy_server``.
    """
    running = []

    def start(name: str, **options) -> ComfyServer:
        base = DEV_DIRECTORY / name
        shutil.rmtree(base, ignore_errors=True)
        server = ComfyServer(HOST, base, [checkpoints.folder], **options)
        running.append(server)
        return server.start()

    yield start
    for server in running:
        server.stop()


@pytest.fixture(scope="session")
def comfy_server(start_server) -> ComfyServer:
    """A real ComfyUI server with the pack and the small checkpoints; its log is shown when a test fails."""
    return start_server("test-server")


@pytest.fixture
def client(comfy_server):
    """A `Client` of ``comfy_server``."""
    with Client(comfy_server.url) as client:
        yield client


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """The program of a Chromium on this machine; the test fails, and says how to get one, where there is none."""
    found = find_chromium()
    if found is None:
        pytest.fail(f"no Chromium: {how_to_get_chromium()}")
    return found


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    outcome = yield
    server = getattr(item, "funcargs", {}).get("comfy_server")
    if call.when == "call" and server is not None:
        report = outcome.get_result()
        if report.failed:
            report.sections.append(("ComfyUI's log, last lines", server.log()))
