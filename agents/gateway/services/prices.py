"""The table of providers, models and prices, read into rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from pydantic import ValidationError

from agents.gateway.errors import PricesUnreadable
from agents.gateway.models import ModelEntry, Price, Provider
from agents.gateway.rules.table import PriceRow, PriceTable, RatesRow
from core.money import to_microusd
from core.services import audit, publish

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class SyncReport:
    """What stands in the table now."""

    providers: int
    models: int
    new_prices: int
    unpriced: tuple[str, ...]


CATALOGUE = "catalogue.yaml"
"""Beside the table: more models of more providers, made by `scripts/prices`; the table wins over it."""


@transaction.atomic
def sync_prices(path: Path | None = None) -> SyncReport:
    """Bring the rows in line with the table (`data/prices.yaml`); a price that landed never changes. Safe to run twice.

    Raises:
        PricesUnreadable: the file cannot be read, or it changes a landed price; nothing was changed.
    """
    path = path or Path(settings.DATA_DIR) / "prices.yaml"
    table = _read(path)
    beside = path.with_name(CATALOGUE)
    if beside.exists():
        table = _joined(table, _read(beside))
    _sync_providers(table)
    models = _sync_models(table)
    new = _sync_rows(table.prices, models)
    unpriced = tuple(ModelEntry.objects.filter(prices=None).values_list("name", flat=True))
    return SyncReport(len(table.providers), len(table.models), new, unpriced)


def _read(path: Path) -> PriceTable:
    try:
        return _table_of(path.read_text(), file=path.name)
    except OSError as problem:
        raise PricesUnreadable(file=path.name, problem=type(problem).__name__) from problem


@lru_cache(maxsize=4)
def _table_of(text: str, *, file: str) -> PriceTable:
    try:
        table = PriceTable.model_validate(yaml.load(text, Loader=_LOADER))  # noqa: S506  a safe one, in C where there is one
    except yaml.YAMLError as problem:
        raise PricesUnreadable(file=file, problem=type(problem).__name__) from problem
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PricesUnreadable(file=file, at=place, problem=first["msg"]) from problem
    named = {row.provider for row in table.models} - set(table.providers)
    named |= {row.model for row in table.prices} - names_in(table)
    if named:
        raise PricesUnreadable(file=file, unknown=", ".join(sorted(named)))
    return table


def names_in(table: PriceTable) -> set[str]:
    """Return the names by which a price may mean a model: `provider/name`, and the bare name of a single one."""
    names = Counter(row.name for row in table.models)
    single = {name for name, count in names.items() if count == 1}
    return single | {f"{row.provider}/{row.name}" for row in table.models}


def _joined(table: PriceTable, catalogue: PriceTable) -> PriceTable:
    """Return both as one: what stands in `table` is left out of `catalogue`."""
    ours = {f"{row.provider}/{row.name}" for row in table.models}
    return PriceTable(
        providers={**catalogue.providers, **table.providers},
        models=(
            *table.models,
            *(row for row in catalogue.models if f"{row.provider}/{row.name}" not in ours),
        ),
        prices=(*table.prices, *(row for row in catalogue.prices if row.model not in ours)),
    )


def _sync_providers(table: PriceTable) -> None:
    Provider.objects.bulk_create(
        [Provider(name=name, **row.model_dump()) for name, row in table.providers.items()],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["protocol", "base_url", "needs_key"],
    )


def _sync_models(table: PriceTable) -> dict[str, ModelEntry]:
    """Write the rows and return them by each name a price may use."""
    told = {
        f"{row.provider}/{row.name}": {
            "tier": row.tier,
            "window_tokens": row.window,
            "max_output_tokens": row.output,
            "capabilities": list(row.can),
            "is_rehearsed": row.rehearsed,
            "tokens_per_s": row.tokens_per_s,
            "parallel": row.parallel,
            "daily_requests": row.daily_requests,
            "changed_at": timezone.now(),
        }
        for row in table.models
    }
    rows = [
        ModelEntry(provider_id=name.partition("/")[0], name=name.partition("/")[2], **facts)
        for name, facts in told.items()
    ]
    ModelEntry.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["provider", "name"],
        update_fields=list(next(iter(told.values()), ())),
    )
    full = {f"{entry.provider_id}/{entry.name}": entry for entry in ModelEntry.objects.all()}
    return {**{name.partition("/")[2]: full[name] for name in told}, **full}


def _sync_rows(rows: Sequence[PriceRow], models: Mapping[str, ModelEntry]) -> int:
    """Add the prices that are new and return how many; those that landed must say the same."""
    landed = {(price.model_id, price.valid_from): price for price in Price.objects.filter(entered_by="")}
    fresh = []
    for row in rows:
        model, told = models[row.model], price_columns(row)
        price = landed.get((model.id, row.valid_from))
        if price is None:
            fresh.append(Price(model=model, valid_from=row.valid_from, **told))
        elif any(
            getattr(price, column) not in (None, value) for column, value in told.items() if column in _RATES
        ):
            why = f"the price of {model} from {row.valid_from} has landed and differs: add a line with a new date"
            raise PricesUnreadable(problem=why)
        elif any(getattr(price, column) != value for column, value in told.items()):
            Price.objects.filter(id=price.id).update(**told)  # what nobody had said before
    Price.objects.bulk_create(fresh)
    return len(fresh)


_RATES = frozenset({"input_microusd", "output_microusd", "cached_microusd", "cache_write_microusd"})


def price_columns(row: PriceRow) -> dict[str, Any]:
    """Return a row of the table as the columns of a price."""
    return {
        **{f"{name}_microusd": rate for name, rate in _rates(row).items()},
        "search_microusd": None if row.search is None else to_microusd(row.search),
        "batch_percent": row.batch_percent,
        "caches_by_itself": row.caches_by_itself,
        "steps": [{"above": step.above, "rates": _rates(step)} for step in row.steps],
    }


def _rates(row: RatesRow) -> dict[str, int | None]:
    named = {
        "input": row.input, "output": row.output, "cached": row.cached, "cache_write": row.cache_write, "cache_write_1h": row.cache_write_1h,
        "reasoning": row.reasoning,
    }  # fmt: skip
    return {name: None if rate is None else to_microusd(rate) for name, rate in named.items()}


@transaction.atomic
def stop_provider(name: str, *, because: str, by: str = "system") -> None:
    """Call this provider no more until a person starts it again. Safe to run twice."""
    running = Provider.objects.filter(name=name, is_enabled=True)
    if running.update(is_enabled=False, stopped_because=because[:300]):
        audit(actor=by, verb="gateway.stop_provider", subject=name, because=because)
        publish("gateway.provider_stopped", provider=name, because=because)


@transaction.atomic
def start_provider(name: str, *, by: str) -> bool:
    """Let this provider be called again and say whether it was stopped. Safe to run twice."""
    was_off = bool(
        Provider.objects.filter(name=name, is_enabled=False).update(is_enabled=True, stopped_because="")
    )
    if was_off:
        audit(actor=by, verb="gateway.start_provider", subject=name)
        publish("gateway.provider_started", provider=name)
    return was_off
