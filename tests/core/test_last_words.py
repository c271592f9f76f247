"""The last words of a process: nothing secret, and for nobody else to read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

KEY = "sk-ant-abcdefgh12345678"
DIES = f"""
import logging, os, signal
import django
django.setup()
from core.adapters.last_words import keep_last_words
os.umask(0o022)
keep_last_words()
logger = logging.getLogger("x")
logger.error("failed for %s", "{KEY}")
try:
    raise ValueError("postgres://factory:hunter2secret@127.0.0.1/x")
except ValueError:
    logger.exception("it broke")
if os.environ["SAYS"] == "much":
    for number in range(600):
        logger.error("line %s %s", number, "word " * 40)
os.kill(os.getpid(), signal.SIGKILL)
"""


def die(home: Path, *, says: str) -> dict[str, tuple[int, str]]:
    """Let a process write its last words and be killed; return what stands in each file, and who may read it."""
    known = {"DJANGO_SETTINGS_MODULE": "factory.settings", "FACTORY_HOME": str(home), "SAYS": says}
    subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-c", DIES],
        cwd=settings.BASE_DIR,
        env={**os.environ, **known},
        capture_output=True,
        check=False,
        timeout=60,
    )
    files = (home / "run").glob("*.log*")
    return {one.suffix: (one.stat().st_mode & 0o777, one.read_text()) for one in files}


def test_what_a_dead_process_leaves_holds_no_secret_also_not_in_a_traceback(tmp_path: Path) -> None:
    [(_, text)] = die(tmp_path, says="little").values()

    assert "failed for ***" in text
    assert "ValueError: postgres://***@127.0.0.1/x" in text
    assert KEY not in text
    assert "hunter2secret" not in text


@pytest.mark.parametrize(("says", "files"), [("little", {".log"}), ("much", {".log", ".1"})])
def test_what_a_dead_process_leaves_is_for_the_owner_of_the_factory_alone(
    tmp_path: Path, says: str, files: set[str]
) -> None:
    left = die(tmp_path, says=says)

    assert set(left) == files
    assert {mode for mode, _ in left.values()} == {0o600}
