"""The table of providers, models and prices, read into rows."""

from dataclasses import dataclass
from pathlib import Path

import yaml
from django.conf import settings
from django.db import transaction
from pydantic import ValidationError

from agents.gateway.errors import PricesUnreadable
from agents.gateway.models import ModelEntry, Price, Provider
from agents.gateway.rules.table import ModelRow, PriceRow, PriceTable
from core.money import to_microusd
from core.services import audit, publish


@dataclass(frozen=True)
class SyncReport:
    """What stands in the table now."""

    providers: int
    models: int
    new_prices: int
    unpriced: tuple[str, ...]


@transaction.atomic
def sync_prices(path: Path | None = None) -> SyncReport:
    """Bring the rows in line with the table (`data/prices.yaml`); a price that landed never changes. Safe to run twice.

    Raises:
        PricesUnreadable: the file cannot be read, or it changes a landed price; nothing was changed.
    """
    table = _read(path or Path(settings.DATA_DIR) / "prices.yaml")
    for name, provider in table.providers.items():
        Provider.objects.update_or_create(name=name, defaults=provider.model_dump())
    models = {row.name: _sync_model(row) for row in table.models}
    new = sum(_sync_price(models[row.model], row) for row in table.prices)
    unpriced = tuple(ModelEntry.objects.filter(prices=None).values_list("name", flat=True))
    return SyncReport(len(table.providers), len(models), new, unpriced)


def _read(path: Path) -> PriceTable:
    try:
        table = PriceTable.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError) as problem:
        raise PricesUnreadable(file=path.name, problem=type(problem).__name__) from problem
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PricesUnreadable(file=path.name, at=place, problem=first["msg"]) from problem
    named = {row.provider for row in table.models} - set(table.providers)
    named |= {row.model for row in table.prices} - {row.name for row in table.models}
    if named:
        raise PricesUnreadable(file=path.name, unknown=", ".join(sorted(named)))
    return table


def _sync_model(row: ModelRow) -> ModelEntry:
    return ModelEntry.objects.update_or_create(
        provider_id=row.provider,
        name=row.name,
        defaults={
            "tier": row.tier,
            "window_tokens": row.window,
            "max_output_tokens": row.output,
            "capabilities": list(row.can),
        },
    )[0]


def _sync_price(model: ModelEntry, row: PriceRow) -> bool:
    """Add the row's price and say whether it is new."""
    rates = {
        "input_microusd": to_microusd(row.input),
        "output_microusd": to_microusd(row.output),
        "cached_microusd": to_microusd(row.cached),
        "cache_write_microusd": to_microusd(row.cache_write),
    }
    price, is_new = Price.objects.get_or_create(model=model, valid_from=row.valid_from, defaults=rates)
    if any(getattr(price, column) != rate for column, rate in rates.items()):
        why = f"the price of {model} from {row.valid_from} has landed and differs: add a line with a new date"
        raise PricesUnreadable(problem=why)
    return is_new


@transaction.atomic
def stop_provider(name: str, *, because: str, by: str = "system") -> None:
    """Call this provider no more until a person starts it again. Safe to run twice."""
    running = Provider.objects.filter(name=name, is_enabled=True)
    if running.update(is_enabled=False, stopped_because=because[:300]):
        audit(actor=by, verb="gateway.stop_provider", subject=name, because=because)
        publish("gateway.provider_stopped", provider=name, because=because)


@transaction.atomic
def start_provider(name: str, *, by: str) -> None:
    """Let this provider be called again. Safe to run twice."""
    if Provider.objects.filter(name=name, is_enabled=False).update(is_enabled=True, stopped_because=""):
        audit(actor=by, verb="gateway.start_provider", subject=name)
        publish("gateway.provider_started", provider=name)
