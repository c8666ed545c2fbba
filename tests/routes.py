"""The pack's routes, for tests that hold for all of those that open a file."""

import re
from pathlib import Path

SERVER = Path(__file__).resolve().parents[1] / "server"
OF_NO_FILE = {"families", "plan", "size", "templates", "upload"}

# A new one joins by itself: it is one of files unless it is named above.
FILE_ROUTES = sorted(
    name
    for path in SERVER.glob("*_routes.py")
    for name in re.findall(r'@routes\.get\("/sound_to_video/(\w+)"\)', path.read_text("utf-8"))
    if name not in OF_NO_FILE
)
