"""The table of limits: `data/limits.yaml`."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

from billing.errors import LimitsUnreadable
from core.money import to_microusd


def start_caps(row: str, *, ref: str = "") -> dict[str, int]:
    """Return the caps in micro-dollars, by period, with which a scope of this table row starts.

    Args:
        row: `factory`, `product`, `live_product`, `dag`, `task` or `agent`.
        ref: the agent's name: its profile wins over the row.

    Raises:
        LimitsUnreadable: the file, the row or a value cannot be read; nothing may be spent then.
    """
    path = Path(settings.DATA_DIR) / "limits.yaml"
    try:
        table = _table(path, path.stat().st_mtime_ns)
        caps = _profile_of(table, ref) if row == "agent" else None
        return {
            period: to_microusd(Decimal(str(usd)))
            for period, usd in (caps or table[row]).items()
            if period != "agents"
        }
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, InvalidOperation) as problem:
        raise LimitsUnreadable(file=path.name, row=row, problem=type(problem).__name__) from problem


@lru_cache(maxsize=1)
def _table(path: Path, changed_ns: int) -> Mapping[str, Any]:
    """Read the table once; a changed file has another time and is read again."""
    found: Mapping[str, Any] = yaml.safe_load(path.read_text())
    return found


def _profile_of(table: Mapping[str, Any], agent: str) -> Mapping[str, Any] | None:
    return next((profile for profile in table["profiles"].values() if agent in profile["agents"]), None)
