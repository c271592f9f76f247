"""Secrets of others that are kept here: sealed in the database, opened with a key that stands in a file of its own."""

import base64
from functools import lru_cache
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from core.adapters.secret_file import kept_secret
from core.errors import SecretUnreadable

FILE = "box_key"
"""In FACTORY_HOME, 0600. It is backed up apart from the database: with both, every secret can be read."""


def seal(secret: str, *, label: str) -> str:
    """Return `secret` as it may stand in a row; it opens under the same `label` alone."""
    return _box().encrypt(f"{label}\n{secret}".encode()).decode()


def unseal(sealed: str, *, label: str) -> str:
    """Return what was sealed under `label`.

    Raises:
        SecretUnreadable: it was sealed with another key or under another label, or was changed.
    """
    try:
        return _opened(sealed, label, _key())
    except InvalidToken:
        raise SecretUnreadable(of=label) from None


@lru_cache(maxsize=64)
def _opened(sealed: str, label: str, key: bytes) -> str:
    named, _, secret = Fernet(key).decrypt(sealed.encode()).decode().partition("\n")
    if named != label:
        raise InvalidToken
    return secret


def _box() -> Fernet:
    return Fernet(_key())


def _key() -> bytes:
    """The key that is given, or the one kept in this home, as the cipher wants it."""
    given = settings.BOX_KEY or _kept(str(settings.HOME))
    return base64.urlsafe_b64encode(sha256(given.encode()).digest())


@lru_cache(maxsize=4)
def _kept(home: str) -> str:
    return kept_secret(settings.HOME / FILE)
