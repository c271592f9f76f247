"""The meanings that were read before: each text is read once in its life."""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256

from portfolio.models import Meaning

MODEL = "minilm-l6-v2"
AT_ONCE = 500


def key_of(text: str) -> str:
    """Give the key of a text's meaning under this model."""
    return sha256(f"{MODEL}\n{text}".encode()).hexdigest()


def known_meanings(texts: Sequence[str]) -> dict[str, str]:
    """Give the stored meanings of `texts`, by text, as the landscape packs them."""
    by_key = {key_of(text): text for text in texts}
    keys = sorted(by_key)
    known: dict[str, str] = {}
    for start in range(0, len(keys), AT_ONCE):
        rows = Meaning.objects.filter(key__in=keys[start : start + AT_ONCE])
        known.update({by_key[row.key]: b64encode(row.vector).decode() for row in rows})
    return known


def keep_meanings(vectors: Mapping[str, str]) -> None:
    """Store meanings that were read anew. Safe to run twice."""
    rows = [Meaning(key=key_of(text), vector=b64decode(vector)) for text, vector in vectors.items()]
    Meaning.objects.bulk_create(rows, ignore_conflicts=True, batch_size=AT_ONCE)
