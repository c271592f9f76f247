"""Files of a workspace: no path leads out of it, by `..`, by a link or by a name."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agents.runtime import rules
from agents.runtime.errors import PathRefused
from core.adapters import git
from core.adapters.disk import is_full
from core.errors import DiskFull

SHOWN_AS = "/work"
_HIDDEN = frozenset({"__pycache__", ".git"})
MOST_BYTES = 1_000_000


def locate(root: Path, said: str) -> Path:
    """Return the real place of a path an agent said; the workspace itself is `.` or `/work`.

    Raises:
        PathRefused: it lies outside.
    """
    inside = said.strip()
    if inside == SHOWN_AS or inside.startswith(f"{SHOWN_AS}/"):
        inside = inside[len(SHOWN_AS) :].lstrip("/")
    if "\0" in inside or len(inside) > 500:
        raise PathRefused(path=inside[:60], why="not a path")
    top = os.path.realpath(root)
    place = Path(os.path.realpath(Path(top, inside)))
    if not place.is_relative_to(top):
        raise PathRefused(path=said, why="outside the workspace")
    return place


def list_files(root: Path, said: str) -> str:
    """Return the files below a folder, one a line, relative to the workspace, in order."""
    place = locate(root, said)
    with _plainly(said):
        if not place.is_dir():
            raise PathRefused(path=said, why="no such folder")
    top = Path(os.path.realpath(root))
    found = [str(Path(folder, name).relative_to(top)) for folder, name in _walk(place)]
    return rules.head("\n".join(sorted(found))) or "no files"


def _walk(place: Path) -> Iterator[tuple[str, str]]:
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if name not in _HIDDEN]
        yield from ((folder, name) for name in names)


def read_file(root: Path, said: str) -> str:
    """Return the text of a file."""
    place = locate(root, said)
    with _plainly(said):
        if not place.is_file():
            raise PathRefused(path=said, why="no such file")
        return rules.head(place.read_text(encoding="utf-8"), at_most=rules.FILE_CHARS)


def write_file(root: Path, said: str, *, content: str, globs: Sequence[str]) -> str:
    """Write a whole file where `globs` allow it; folders are made."""
    place = locate(root, said)
    path = place.relative_to(os.path.realpath(root)).as_posix()
    if not rules.may_write(path, globs=globs):
        raise PathRefused(path=path, why=f"you may write only {' '.join(globs)}")
    if len(content.encode()) > MOST_BYTES:
        raise PathRefused(path=path, why=f"more than {MOST_BYTES} bytes")
    with _plainly(said):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")
    return f"wrote {path}, {content.count(chr(10))} lines"


@contextmanager
def _plainly(said: str) -> Iterator[None]:
    """Tell the agent in words what the file said; that the disk is full is not his to mend.

    Raises:
        PathRefused, DiskFull: half of what was written may stand there.
    """
    try:
        yield
    except UnicodeError:
        raise PathRefused(path=said, why="not UTF-8 text") from None
    except OSError as error:
        if is_full(error):
            raise DiskFull(while_trying=f"to write {said}") from error
        raise PathRefused(path=said, why=error.strerror) from None


def search(root: Path, pattern: str) -> str:
    """Return the lines that hold an extended regular expression, as `path:line:text`."""
    found = git.run(
        "grep",
        "--no-index",
        "-nIE",
        "--no-color",
        "-e",
        pattern,
        "--",
        ".",
        cwd=root,
        fine={0, 1},
        timeout_s=10,
    )
    return rules.head(found.text) or "no line holds this"
