"""Who can be called at what price: read once, kept in memory, read again when a row has changed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import timezone

from agents.gateway.models import ModelEntry, Price
from agents.gateway.rules.money import Tariff
from agents.gateway.rules.route import names_of
from core.adapters.rows import find_rows
from core.models import Mode
from core.services import business_now, current_mode

_KEPT = 8
_Version = tuple[object, ...]


@dataclass(frozen=True)
class Offer:
    """One model that can be called now, and its price today; None: nobody knows it."""

    model: ModelEntry
    tariff: Tariff | None
    can: frozenset[str]

    @cached_property
    def name(self) -> str:
        """Its whole name."""
        return str(self.model)

    @cached_property
    def facts(self) -> tuple[str, str, str, int, int | None, int]:
        """Its provider, name, tier, window, pace and longest answer, read once: routing looks at them at every call."""
        one = self.model
        return one.provider_id, one.name, one.tier, one.window_tokens, one.tokens_per_s, one.max_output_tokens


class Offers(tuple[Offer, ...]):
    """Every model that can be called now."""

    @cached_property
    def by_name(self) -> Mapping[str, tuple[Offer, ...]]:
        """The same by name, with its provider or without."""
        named: dict[str, tuple[Offer, ...]] = {}
        for offer in self:
            for name in (offer.model.name, offer.name):
                named[name] = (*named.get(name, ()), offer)
        return named


@dataclass(frozen=True)
class Shelf:
    """What a call finds when it begins, of one moment: the mode, business time, and who can be called."""

    mode: str
    now: datetime
    offers: Offers


_offers: dict[_Version, Offers] = {}
"""What was read last, by all that it depends on; a process reads the rows once for each change."""
_LOOK: Final = """
    SELECT p.name, p.protocol, p.base_url, p.needs_key, k.provider_id, p.listed_at, i.mode,
        (SELECT max(changed_at) FROM gateway_modelentry), (SELECT count(*) FROM gateway_modelentry WHERE is_enabled),
        (SELECT max(id) FROM gateway_price), (SELECT count(*) FROM gateway_price), i.clock_offset_ms
    FROM gateway_provider p LEFT JOIN gateway_providerkey k ON k.provider_id = p.name LEFT JOIN core_installation i ON i.id = 1
    WHERE p.is_enabled ORDER BY p.name
"""
"""Tells one state of the rows from another: providers as they are, the mode, and marks of the other tables; the clock is last."""


def shelf() -> Shelf:
    """Return how things stand now; one small query when nothing changed."""
    if not (rows := find_rows(_LOOK)):
        return Shelf(current_mode(), business_now(), Offers())
    mode, ahead_ms = rows[0][6], rows[0][-1]
    mode, now = mode or Mode.REHEARSAL.value, timezone.now() + timedelta(milliseconds=ahead_ms or 0)
    return Shelf(mode, now, _offered(rows, mode=mode, day=now.date()))


def offers(*, mode: str, day: date) -> Offers:
    """Return every model that is switched on and in reach, with its price on `day`; one small query when nothing changed."""
    return _offered(find_rows(_LOOK), mode=mode, day=day)


def _offered(rows: Sequence[tuple[Any, ...]], *, mode: str, day: date) -> Offers:
    keys = frozenset(name for name, key in settings.MODEL_KEYS.items() if key)
    version = (
        tuple(row[:-1] for row in rows),
        keys,
        mode,
        day,
        connections[DEFAULT_DB_ALIAS].settings_dict["NAME"],
    )
    if (known := _offers.get(version)) is None:
        in_reach = [
            row[0] for row in rows if mode == Mode.REHEARSAL or not row[3] or row[4] or row[0] in keys
        ]
        known = _read(in_reach, mode=mode, day=day)
        if len(_offers) >= _KEPT:
            _offers.clear()
        _offers[version] = known
    return known


def _read(providers: Sequence[str], *, mode: str, day: date) -> Offers:
    rows = ModelEntry.objects.filter(provider__in=providers, is_enabled=True)
    if mode == Mode.REHEARSAL:
        rows = rows.filter(is_rehearsed=True)
    tariffs = tariffs_on(day)
    return Offers(
        Offer(entry, tariffs.get(entry.id), frozenset(entry.capabilities))
        for entry in rows.select_related("provider").order_by("provider_id", "name")
        if mode == Mode.REHEARSAL or entry.provider.has(entry.name)
    )


def tariffs_on(day: date) -> dict[int, Tariff]:
    """Return the tariff of every model that has one on `day`, by the model's id."""
    oldest_first = Price.objects.on(day).reverse().select_related("model")
    newest = {price.model_id: price for price in oldest_first}
    dated = defaultdict[tuple[str, str], list[tuple[str, Tariff]]](list)
    for price in newest.values():
        name, undated = price.model.name, names_of(price.model.name)[-1]
        if name != undated:
            dated[price.model.provider_id, undated].append((name, price.tariff))
    return {
        entry: replace(price.tariff, dated=tuple(dated[price.model.provider_id, price.model.name]))
        for entry, price in newest.items()
    }


def price_of(provider: str, served: str, *, mode: str, day: date) -> Tariff | None:
    """Return the price on `day` of the model that `provider` calls so, or of what it is a dated name of; None: unknown.

    It may be one that is switched off, or out of reach: who served once is billed.
    """
    priced, names = offers(mode=mode, day=day).by_name, names_of(served)
    known = [offer.tariff for name in names for offer in priced.get(f"{provider}/{name}", ()) if offer.tariff]
    if known:
        return known[0].of(served)
    rows = Price.objects.on(day).reverse().filter(model__provider=provider, model__name__in=names)
    found = {price.model.name: price for price in rows.select_related("model")}
    return next((found[name].tariff for name in names if name in found), None)


def forget() -> None:
    """Read the rows again at the next call, whatever they say of themselves."""
    _offers.clear()
