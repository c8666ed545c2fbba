"""Chromium or a browser built on it, wherever this machine has it (standard library only)."""

import os
import shutil
import sys
from pathlib import Path

COMMANDS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
    "brave-browser",
)
MAC_APPS = ("Chromium", "Google Chrome", "Microsoft Edge", "Brave Browser")
WINDOWS_PATHS = (
    r"Google\Chrome\Application\chrome.exe",
    r"Chromium\Application\chrome.exe",
    r"Microsoft\Edge\Application\msedge.exe",
    r"BraveSoftware\Brave-Browser\Application\brave.exe",
)


def find_chromium() -> Path | None:
    """The program of the first Chromium, Chrome, Edge or Brave there is; ``CHROMIUM_PATH`` goes before all."""
    for candidate in _candidates():
        if candidate.is_file():
            return candidate
    return None


def _candidates():
    named = os.environ.get("CHROMIUM_PATH")
    if named:
        yield Path(named)
    for command in COMMANDS:
        found = shutil.which(command)
        if found:
            yield Path(found)
    if sys.platform == "darwin":
        for app in MAC_APPS:
            for folder in (Path("/Applications"), Path.home() / "Applications"):
                yield folder / f"{app}.app" / "Contents" / "MacOS" / app
    if sys.platform == "win32":
        for variable in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
            if os.environ.get(variable):
                yield from (Path(os.environ[variable]) / path for path in WINDOWS_PATHS)
    yield from _playwrights()


def _playwrights():
    """What ``playwright install chromium`` leaves, the newest first."""
    caches = {"darwin": Path.home() / "Library/Caches", "win32": Path(os.environ.get("LOCALAPPDATA", Path.home()))}
    browsers = Path(
        os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or caches.get(sys.platform, Path.home() / ".cache") / "ms-playwright"
    )
    programs = {
        "darwin": ["chrome-mac*/Chromium.app/Contents/MacOS/Chromium"],
        "win32": ["chrome-win*/chrome.exe"],
    }.get(sys.platform, ["chrome-linux*/chrome"])
    for program in programs:
        yield from sorted(browsers.glob(f"chromium-*/{program}"), reverse=True)


def how_to_get_chromium() -> str:
    """One sentence for this system."""
    if sys.platform == "darwin":
        how = "`brew install --cask chromium`, or install Google Chrome"
    elif sys.platform == "win32":
        how = "`winget install Google.Chrome`, or install any Chrome or Edge"
    elif shutil.which("apt-get"):
        how = "`sudo apt-get install chromium` (Ubuntu: `sudo snap install chromium`)"
    else:
        how = "install Chromium or Google Chrome with the system's package manager"
    return f"{how}; or set CHROMIUM_PATH to the program of a browser built on Chromium"
