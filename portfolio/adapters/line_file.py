"""Files of one JSON object per line, read so that no line, however long, is ever held whole."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from portfolio.rules.signals import LINE_LIMIT_BYTES

CHUNK_BYTES: Final = 1 << 16


def read_lines(path: Path) -> Iterator[tuple[int, bytes | None]]:
    """Give number and bytes of each line, from 1; None stands for a line above the limit.

    Raises:
        OSError: the file cannot be opened or read.
    """
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LINE_LIMIT_BYTES + 1):
            number += 1
            if len(line) <= LINE_LIMIT_BYTES or line.endswith(b"\n"):
                yield number, line
            else:
                _skip(file)
                yield number, None


def _skip(file: BinaryIO) -> None:
    while rest := file.readline(CHUNK_BYTES):
        if rest.endswith(b"\n"):
            return


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
