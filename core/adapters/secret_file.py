"""Secrets that this installation made itself, each kept in a file of its own."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def kept_secret(path: Path) -> str:
    """Return the secret kept in `path`: made at the first call, whole or not at all, readable by its owner alone."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(48))
            with suppress(FileExistsError):  # another process was first: its secret counts
                os.link(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
    return path.read_text()
