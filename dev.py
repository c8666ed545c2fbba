"""A fresh machine to a result, with Python 3.10+ and nothing else.

    python dev.py demo             a voice and a picture become a clip; its path is printed
    python dev.py demo --serve     the same ComfyUI, left open in the browser
    python dev.py test [ARGS]      ruff, pyright, then all tests; with ARGS pytest alone: test tests/unit -k plan
    python dev.py test --fast      ruff, pyright, the quick unit, node and farm tests: no server, no browser
    python dev.py fuzz --minutes N odd files, values and requests on other seeds (--seed S), N minutes of each kind
                                   (of one: --only sounds, videos, nodes or routes)
    python dev.py check            ruff and pyright
    python dev.py benchmark [ARGS] ours against the host's nodes and ffmpeg, measured here: a table
    python dev.py device           pack what measures the real sizes on a machine with a GPU: benchmarks/README.md
    python dev.py contract         record new nodes, inputs and outputs in tests/nodes/contract.json
    python dev.py locales          write locales/ of the translations in dev_support/translations, and say what lacks
    python dev.py setup            only what the others need first

Everything it makes lies in .dev/ in this folder. COMFYUI_PATH uses a ComfyUI that is there already (its Python:
COMFYUI_PYTHON, or the venv beside it) and changes nothing in it.
"""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if sys.version_info < (3, 10):
    sys.exit(f"Python 3.10 is the oldest that will do; this is {sys.version.split()[0]}. Try: python3.11 dev.py ...")

from dev_support.chromium import find_chromium, how_to_get_chromium
from dev_support.environment import Environment, has_cuda, prepare
from dev_support.host import ROOT
from dev_support.steps import exit_code_of

FAST = ("tests/unit", "tests/nodes", "tests/farm")  # the folders of which `test --fast` runs what is not marked slow
PARTS = (
    "unit",
    "nodes",
    "server",
    "farm",
    "fuzz",
    "browser",
)  # folders of tests, what says most in the shortest time first
FUZZERS = {"sounds": "damaged_sounds", "videos": "damaged_videos", "nodes": "on_nodes", "routes": "odd_requests"}
MOST_FAILURES = 10  # of one part: what hangs test after test ends a run, and says so, instead of taking hours


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo_parser = commands.add_parser("demo", help="make a clip from the bundled voice and picture")
    demo_parser.add_argument("--serve", action="store_true", help="leave ComfyUI open in the browser instead")
    demo_parser.add_argument("--workflow", help="name of a file in workflows/, without .json")
    demo_parser.add_argument("--listen", default="127.0.0.1", help="address for --serve, such as 0.0.0.0")
    demo_parser.add_argument("--no-browser", action="store_true", help="with --serve: only print the address")
    commands.add_parser("test", help="ruff, pyright and all tests; arguments go to pytest", add_help=False)
    fuzz_parser = commands.add_parser("fuzz", help="odd files, values and requests, for as long as you like")
    fuzz_parser.add_argument("--minutes", type=float, default=10.0, help="of each kind: files, nodes, routes")
    fuzz_parser.add_argument("--only", choices=FUZZERS, action="append", help="of these kinds; may be given again")
    fuzz_parser.add_argument("--seed", type=int, default=int(time.time()), help="default: another one each time")
    commands.add_parser("check", help="ruff and pyright")
    commands.add_parser("contract", help="record what is new in tests/nodes/contract.json")
    commands.add_parser("locales", help="write locales/ of dev_support/translations; say what lacks")
    commands.add_parser(
        "benchmark", help="measure ours against the host; arguments go to benchmarks/run.py", add_help=False
    )
    commands.add_parser("device", help="pack the measures for a machine with a GPU and no network")
    commands.add_parser("setup", help="make the environment only")
    arguments, rest = parser.parse_known_args()
    if rest and arguments.command not in ("test", "benchmark"):
        parser.error(f"unknown arguments: {' '.join(rest)}")
    os.chdir(ROOT)
    return exit_code_of(lambda: carry_out(arguments, rest))


def carry_out(arguments: argparse.Namespace, rest: list[str]) -> int:
    if arguments.command == "demo":
        return demo(prepare(tools=False), arguments)
    environment = prepare()
    if arguments.command == "test":
        return test(environment, rest)
    if arguments.command == "fuzz":
        odd = ("--fuzz-minutes", str(arguments.minutes), "--fuzz-seed", str(arguments.seed))
        without_end = ("--timeout=0", "-o", "faulthandler_timeout=0")
        only = ("-k", " or ".join(FUZZERS[kind] for kind in arguments.only)) if arguments.only else ()
        return run(environment, "-m", "pytest", "-q", "-s", *without_end, "tests/fuzz", *odd, *only)
    if arguments.command == "check":
        return check(environment)
    if arguments.command == "contract":
        return contract(environment)
    if arguments.command == "locales":
        return run(environment, "-m", "pytest", "-q", "tests/nodes/test_locales.py", "--write-locales")
    if arguments.command == "device":
        return run(environment, ROOT / "benchmarks" / "run.py", "--pack")
    if arguments.command == "benchmark":
        return run(environment, ROOT / "benchmarks" / "run.py", *rest)
    print(f"Ready: {environment.python}, ComfyUI at {environment.host}")
    return 0


def run(environment: Environment, *command: str | Path) -> int:
    """Run the environment's Python with ``command`` as arguments; return its exit code."""
    variables = {**os.environ, **environment.variables, "COMFYUI_PATH": str(environment.host)}
    return subprocess.run([str(environment.python), *map(str, command)], env=variables).returncode


def demo(environment: Environment, arguments: argparse.Namespace) -> int:
    command = ["-m", "dev_support.demo", "--listen", arguments.listen]
    command += [] if has_cuda(environment) else ["--cpu"]
    command += ["--serve"] if arguments.serve else []
    command += ["--no-browser"] if arguments.no_browser else []
    command += ["--workflow", arguments.workflow] if arguments.workflow else []
    return run(environment, *command)


def test(environment: Environment, pytest_arguments: list[str]) -> int:
    if "--fast" in pytest_arguments:
        return test_fast(environment, [argument for argument in pytest_arguments if argument != "--fast"])
    chromium = find_chromium()
    print(
        f"Browser for the tests: {chromium or 'none found, so the browser tests will fail: ' + how_to_get_chromium()}"
    )
    if pytest_arguments:
        return run(environment, "-m", "pytest", *pytest_arguments)
    failed = [] if check(environment) == 0 else ["check"]
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    parts = [part for part in PARTS if part in folders] + sorted(folders.difference(PARTS))
    for part in parts:  # a process each: memory, files and servers of one are gone before the next
        print(f"== tests/{part}", flush=True)
        if run(environment, "-m", "pytest", f"--maxfail={MOST_FAILURES}", f"tests/{part}") != 0:
            failed.append(part)
    print(f"FAILED: {', '.join(failed)}" if failed else "Everything passed.")
    return 1 if failed else 0


def test_fast(environment: Environment, pytest_arguments: list[str]) -> int:
    """Tests on one core, the checks on another; new tests join unless they are marked ``slow``."""
    with ThreadPoolExecutor() as pool:
        checking = pool.submit(check, environment)
        tested = run(environment, "-m", "pytest", "-q", "-m", "not slow", *FAST, *pytest_arguments)
        return tested or checking.result()


def check(environment: Environment) -> int:
    failed = 0
    for name, command in {
        "ruff check": ("-m", "ruff", "check", "."),
        "ruff format": ("-m", "ruff", "format", "--check", "."),
        "pyright": ("-m", "pyright", "--pythonpath", environment.python),
    }.items():
        print(f"== {name}", flush=True)
        failed |= run(environment, *command)
    return failed


def contract(environment: Environment) -> int:
    code = run(environment, "-m", "pytest", "-q", "tests/nodes/test_contract.py", "--extend-contract")
    print("tests/nodes/contract.json is up to date" if code == 0 else "tests/nodes/contract.json was left as it was")
    return code


if __name__ == "__main__":
    sys.exit(main())
