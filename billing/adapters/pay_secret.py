"""The secret shared with the test processor: one per installation, kept in its home."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from django.conf import settings


def pay_secret() -> str:
    """Return the secret, made at the first call and readable by its owner alone."""
    path = Path(settings.HOME) / "pay_secret"
    if not path.exists():
        fresh = path.with_name(f".pay_secret.{secrets.token_hex(8)}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
        with suppress(FileExistsError):  # another process was first: its secret counts
            os.link(fresh, path)
        fresh.unlink()
    return path.read_text()
