"""Stored files, named by what they hold: written once, checked at every reading."""

import os
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from django.conf import settings

from core.errors import BlobDamaged
from core.models import Blob


def path_of(digest: str) -> Path:
    """Return where the file of this SHA-256 stands."""
    return Path(settings.BLOBS_DIR) / digest[:2] / digest[2:]


def put_blob(content: bytes, *, media_type: str = "application/octet-stream") -> Blob:
    """Store `content` durably and return its row; the same content is stored once."""
    digest = sha256(content).hexdigest()
    target = path_of(digest)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{uuid4().hex}")
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
    found, _ = Blob.objects.get_or_create(
        sha256=digest, defaults={"size_bytes": len(content), "media_type": media_type}
    )
    return found


def read_blob(digest: str) -> bytes:
    """Return the content of this SHA-256.

    Raises:
        BlobDamaged: the file is gone or was changed.
    """
    try:
        content = path_of(digest).read_bytes()
    except FileNotFoundError:
        raise BlobDamaged(sha256=digest, why="missing") from None
    if sha256(content).hexdigest() != digest:
        raise BlobDamaged(sha256=digest, why="changed")
    return content
