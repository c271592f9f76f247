"""The secret shared with the test processor: one per installation, kept in its home."""

from pathlib import Path

from django.conf import settings

from core.adapters.secret_file import kept_secret


def pay_secret() -> str:
    """Return the secret, made at the first call."""
    return kept_secret(Path(settings.HOME) / "pay_secret")
