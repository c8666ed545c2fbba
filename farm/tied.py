"""``python tied.py script.py ...``: run the script as ``python script.py ...`` would, until standard input ends.

Whoever started it holds the other end of standard input; when that process is gone, however it went, so is this one.
"""

import os
import runpy
import sys
import threading
import time

LOOK_SECONDS = 1.0


def end_with_the_starter() -> None:
    """Wait for the end of standard input, a pipe, then end this process.

    On Windows nobody may wait in a read: libraries that look at standard input while they are loaded, NumPy's among
    them, would wait until it returns (numpy/numpy#24290). There the pipe is looked at now and then.
    """
    if sys.platform == "win32":
        import ctypes
        import msvcrt

        pipe = ctypes.c_void_p(msvcrt.get_osfhandle(0))
        while ctypes.windll.kernel32.PeekNamedPipe(pipe, None, 0, None, None, None):
            time.sleep(LOOK_SECONDS)
    else:
        while os.read(0, 1):
            pass
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_the_starter, daemon=True).start()
    del sys.argv[0]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")
