"""When the owner is told of money: the part `alerts` of `data/limits.yaml`."""

from functools import lru_cache
from pathlib import Path

import yaml
from django.conf import settings
from pydantic import ValidationError

from billing.errors import LimitsUnreadable
from billing.rules import AlertTable


def alert_table() -> AlertTable:
    """Return what the file says.

    Raises:
        LimitsUnreadable: it, or a value in it, cannot be read.
    """
    path = Path(settings.DATA_DIR) / "limits.yaml"
    try:
        return _table(path, path.stat().st_mtime_ns)
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValidationError) as problem:
        raise LimitsUnreadable(file=path.name, row="alerts", problem=type(problem).__name__) from problem


@lru_cache(maxsize=1)
def _table(path: Path, changed_ns: int) -> AlertTable:
    """Read the file once; a changed one has another time and is read again."""
    return AlertTable.model_validate(yaml.safe_load(path.read_text())["alerts"])
