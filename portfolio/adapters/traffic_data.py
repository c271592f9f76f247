"""The shipped list of domains that give throw-away addresses."""

import json
from pathlib import Path


def disposable_domains(folder: Path) -> frozenset[str]:
    """Give the domains of the file in `folder`."""
    return frozenset(json.loads((folder / "disposable.json").read_text(encoding="utf-8")))
