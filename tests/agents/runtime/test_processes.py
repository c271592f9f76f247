"""One command at a time, and nothing left running."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from agents.runtime.adapters.processes import run
from core.registry import Stop

ENV = {"PATH": os.defpath, "ONLY": "this"}


def ran_python(
    code: str, *, cwd: Path, stop: Stop | None = None, timeout_s: float = 20
) -> tuple[int, str, str]:
    """Run a line of Python; return code, why it was killed, output."""
    ran = run([sys.executable, "-c", code], cwd=cwd, env=ENV, stop=stop or Stop(), timeout_s=timeout_s)
    return ran.code, ran.why, ran.out


def has_ended(pid: int) -> bool:
    """Say whether this process ends within seconds; a zombie has ended."""
    until, pause = time.monotonic() + 10, threading.Event()
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
        except FileNotFoundError:
            return True
        pause.wait(0.01)
    return False


def test_it_says_how_it_ended_and_what_it_wrote(tmp_path: Path) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"

    assert ran_python(code, cwd=tmp_path) == (3, "", "err\nout\n")


def test_its_environment_is_what_it_was_given(tmp_path: Path) -> None:
    _, _, out = ran_python(
        "import os; print(sorted(k for k in os.environ if not k.startswith('LC_')))", cwd=tmp_path
    )

    assert out == "['ONLY', 'PATH']\n"


_LITTER = (
    "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
    " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); print(p.pid, flush=True); "
)


@pytest.mark.parametrize("end", ["sys.exit(0)", "time.sleep(60)"])
def test_children_end_with_it_whether_it_ends_or_its_time_is_over(tmp_path: Path, end: str) -> None:
    _, _, out = ran_python(_LITTER + end, cwd=tmp_path, timeout_s=1)

    assert has_ended(int(out))


def test_a_stop_ends_it_at_once(tmp_path: Path) -> None:
    stop = Stop()
    threading.Timer(0.5, stop.set).start()
    began = time.monotonic()

    _, why, _ = ran_python("import time; time.sleep(60)", cwd=tmp_path, stop=stop, timeout_s=50)

    assert why == "stopped"
    assert time.monotonic() - began < 20


def test_only_the_end_of_much_output_is_kept(tmp_path: Path) -> None:
    code, why, out = ran_python("print('x' * 1_000_000); print('end')", cwd=tmp_path)

    assert (code, why, len(out), out[-5:]) == (0, "", 200_000, "\nend\n")
