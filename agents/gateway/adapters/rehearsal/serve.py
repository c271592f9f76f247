"""Started by path in an empty house: `python -I serve.py SEED FD`, FD a listening unix socket, stdin a pipe that ends us."""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    runpy.run_module("rehearsal.server", run_name="__main__")
