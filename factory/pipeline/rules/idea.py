"""An owner's idea, before anything is done with it."""

import re

from factory.pipeline.errors import IdeaTooLong, IdeaUnclear

MOST_BYTES = 32_768
FEWEST_WORDS = 3


def read_idea(text: str) -> str:
    """Give the idea with its white space folded.

    Raises:
        IdeaTooLong: more than 32 KB.
        IdeaUnclear: empty, or fewer than three different words.
    """
    if (size := len(text.encode())) > MOST_BYTES:
        raise IdeaTooLong(size_bytes=size)
    folded = " ".join(text.replace("\0", " ").split())
    words = {word.casefold() for word in re.findall(r"[^\W\d_]{2,}", folded)}
    vowelled = {word for word in words if not word.isascii() or re.search("[aeiouy]", word)}
    if len(vowelled) < FEWEST_WORDS:
        raise IdeaUnclear(words=len(vowelled))
    return folded


def title_of(idea: str) -> str:
    """Give a title of at most 60 characters, cut at a word."""
    head = re.split(r"(?<=[.!?:;])\s", idea)[0].rstrip(".!?:; ")
    return head if len(head) <= 60 else head[:60].rsplit(" ", 1)[0]
