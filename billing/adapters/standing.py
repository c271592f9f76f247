"""The table of standing costs: `data/standing.yaml`."""

from functools import lru_cache
from pathlib import Path

import yaml
from django.conf import settings
from pydantic import ValidationError

from billing.errors import StandingUnreadable
from billing.rules import Standing


def standing_table() -> Standing:
    """Return what the file says.

    Raises:
        StandingUnreadable: it, or a value in it, cannot be read; nothing is booked then.
    """
    path = Path(settings.DATA_DIR) / "standing.yaml"
    try:
        return _table(path, path.stat().st_mtime_ns)
    except (OSError, yaml.YAMLError, ValidationError) as problem:
        words = problem.errors()[0]["msg"] if isinstance(problem, ValidationError) else type(problem).__name__
        raise StandingUnreadable(file=path.name, problem=words[:120]) from problem


@lru_cache(maxsize=1)
def _table(path: Path, changed_ns: int) -> Standing:
    """Read the file once; a changed one has another time and is read again."""
    return Standing.model_validate(yaml.safe_load(path.read_text()) or {})
