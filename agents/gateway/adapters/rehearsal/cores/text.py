"""The product code that cores are made of, kept beside this module in files of named sections."""

import re
from pathlib import Path

_HERE = Path(__file__).parent / "text"


def sections(name: str) -> dict[str, str]:
    """The sections of that file by heading; read once, when the package is imported."""
    _, *parts = re.split(r"^=== (.+)\n", (_HERE / f"{name}.txt").read_text("utf-8"), flags=re.M)
    return {head: text[:-1] for head, text in zip(parts[::2], parts[1::2], strict=True)}
