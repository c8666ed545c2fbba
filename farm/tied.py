"""``python tied.py script.py ...``: run the script as ``python script.py ...`` would, until standard input ends.

Whoever started it holds the other end of standard input; when that process is gone, however it went, so is this one.
"""

import os
import runpy
import sys
import threading


def end_with_the_starter() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_the_starter, daemon=True).start()
    del sys.argv[0]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")
