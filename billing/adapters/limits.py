"""The table of limits: `data/limits.yaml`."""

import os
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

from billing.errors import LimitsUnreadable
from core.money import to_microusd

_BY_REF = ("team", "tier")
"""Rows that say one amount per day for each ref."""


def start_caps(row: str, *, ref: str = "") -> dict[str, int]:
    """Return the caps in micro-dollars, by period, with which a scope of this table row starts. Source: R-02.5.

    Args:
        row: `factory`, `team`, `agent`, `tier`, `product`, `live_product`, `dag`, `task` or `session`.
        ref: the agent's name: its profile wins over the row; or which team or tier.

    Raises:
        LimitsUnreadable: the file, the row or a value cannot be read; nothing may be spent then.
    """
    if row in _BY_REF:
        amounts = table_row(row)
        if ref not in amounts:
            raise LimitsUnreadable(row=row, missing=ref)
        return {"day": amounts[ref]}
    return dict(_read(row, ref if row == "agent" else ""))


def table_row(row: str) -> Mapping[str, int]:
    """Return the amounts of this table row in micro-dollars, by their names.

    Raises:
        LimitsUnreadable: the file, the row or a value cannot be read; nothing may be spent then.
    """
    return _read(row, "")


def _read(row: str, agent: str) -> Mapping[str, int]:
    path = f"{settings.DATA_DIR}/limits.yaml"
    try:
        return _amounts(path, os.stat(path).st_mtime_ns, row, agent)  # noqa: PTH116 (asked at every hold)
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, InvalidOperation) as problem:
        raise LimitsUnreadable(file="limits.yaml", row=row, problem=type(problem).__name__) from problem


@lru_cache(maxsize=64)
def _amounts(path: str, changed_ns: int, row: str, agent: str) -> Mapping[str, int]:
    """Read a row once; a changed file has another time and is read again."""
    table: Mapping[str, Any] = yaml.safe_load(Path(path).read_text())
    found: Mapping[str, Any] = (_profile_of(table, agent) if row == "agent" else None) or table[row]
    return {name: to_microusd(Decimal(str(usd))) for name, usd in found.items() if name != "agents"}


def _profile_of(table: Mapping[str, Any], agent: str) -> Mapping[str, Any] | None:
    return next((profile for profile in table["profiles"].values() if agent in profile["agents"]), None)
