"""Who can be called at what price: read once, kept in memory, read again when a row has changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, QuerySet, Subquery, Value

from agents.gateway.models import ModelEntry, Price, Provider
from agents.gateway.rules.money import Tariff
from core.models import Mode

_KEPT = 8
_Version = tuple[object, ...]


@dataclass(frozen=True)
class Offer:
    """One model that can be called now, and its price today; None: nobody knows it."""

    model: ModelEntry
    tariff: Tariff | None
    can: frozenset[str]


_offers: dict[_Version, tuple[Offer, ...]] = {}
"""What was read last, by all that it depends on; a process reads the rows once for each change."""


def offers(*, mode: str, day: date) -> tuple[Offer, ...]:
    """Return every model that is switched on and in reach, with its price on `day`; one small query when nothing changed."""
    version = _version(mode, day)
    if (known := _offers.get(version)) is None:
        known = _read(version[0], mode=mode, day=day)  # type: ignore[arg-type]
        if len(_offers) >= _KEPT:
            _offers.clear()
        _offers[version] = known
    return known


def _version(mode: str, day: date) -> _Version:
    """Return what tells one state of the rows from another: providers in reach as they are, and marks of the other tables."""
    with connection.cursor() as cursor:
        cursor.execute(*_question(connection.vendor))
        rows = cursor.fetchall()
    in_reach = tuple(row for row in rows if mode == Mode.REHEARSAL or _has_key(row[0], row[3], row[4]))
    return (in_reach, mode, day, connection.settings_dict["NAME"])


@lru_cache(maxsize=2)
def _question(vendor: str) -> tuple[str, tuple[Any, ...]]:
    """Return the statement whose answer changes with the rows; asked at every call, so it is made once."""
    rows = (
        Provider.objects.filter(is_enabled=True)
        .annotate(
            newest=Subquery(ModelEntry.objects.order_by("-changed_at").values("changed_at")[:1]),
            entries_on=Subquery(_counted(ModelEntry.objects.filter(is_enabled=True))),
            newest_price=Subquery(Price.objects.order_by("-id").values("id")[:1]),
            all_prices=Subquery(_counted(Price.objects.all())),
        )
        .order_by("name")
        .values_list(
            "name",
            "protocol",
            "base_url",
            "needs_key",
            "stored_key",
            "newest",
            "entries_on",
            "newest_price",
            "all_prices",
            "listed_at",
        )
    )
    return rows.query.sql_with_params()


def _counted(rows: QuerySet[Any]) -> Any:
    """Return how many rows there are, as one that a query can hold."""
    return rows.order_by().annotate(one=Value(1)).values("one").annotate(n=Count("pk")).values("n")


def _has_key(name: str, needs_key: bool, stored: object) -> bool:  # noqa: FBT001  a column
    return bool(not needs_key or stored or settings.MODEL_KEYS.get(name))


def _read(providers: Sequence[tuple[object, ...]], *, mode: str, day: date) -> tuple[Offer, ...]:
    rows = ModelEntry.objects.filter(provider__in=[row[0] for row in providers], is_enabled=True)
    if mode == Mode.REHEARSAL:
        rows = rows.filter(is_rehearsed=True)
    tariffs = tariffs_on(day)
    return tuple(
        Offer(entry, tariffs.get(entry.id), frozenset(entry.capabilities))
        for entry in rows.select_related("provider").order_by("provider_id", "name")
        if mode == Mode.REHEARSAL or entry.provider.has(entry.name)
    )


def tariffs_on(day: date) -> dict[int, Tariff]:
    """Return the tariff of every model that has one on `day`, by the model's id."""
    oldest_first = Price.objects.on(day).reverse()
    return {price.model_id: price.tariff for price in oldest_first}


def price_of(provider: str, names: Sequence[str], *, mode: str, day: date) -> Tariff | None:
    """Return the price on `day` of the model that `provider` knows by the first of these names; None: unknown.

    It may be one that is switched off, or out of reach: who served once is billed.
    """
    priced = {(offer.model.provider_id, offer.model.name): offer for offer in offers(mode=mode, day=day)}
    if offer := next((priced[provider, name] for name in names if (provider, name) in priced), None):
        return offer.tariff
    model = ModelEntry.objects.filter(provider=provider, name__in=names).order_by("name").last()
    price = Price.objects.on(day).filter(model=model).first() if model else None
    return price.tariff if price else None


def forget() -> None:
    """Read the rows again at the next call, whatever they say of themselves."""
    _offers.clear()
