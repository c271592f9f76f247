"""A card may not mislead: its words name no other amount, payee or host than what an answer is bound to."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final
from unicodedata import category, normalize

_NUMBER = r"(?P<{0}>\d[\d,]*(?:\.\d+)?)\s?(?P<{0}_times>k|thousand|m|mn|million)?\b"
_AMOUNT: Final = re.compile(
    rf"(?:[$€£¥]|\b(?:usd|eur|gbp)\s?)\s?{_NUMBER.format('after')}"
    rf"|(?<![\w.,]){_NUMBER.format('before')}\s?(?:[$€£¥]|(?:usd|eur|gbp|dollars?|euros?|pounds?|bucks)\b)",
    re.IGNORECASE,
)
_TIMES: Final = {"k": 1_000, "thousand": 1_000, "m": 1_000_000, "mn": 1_000_000, "million": 1_000_000}
_PAYEE: Final = re.compile(r"[\w.+-]+@(?:[\w-]+\.)+[^\W\d_]{2,}")
_HOST: Final = re.compile(r"(?P<scheme>https?://)?(?P<name>(?:[\w-]+\.)+[^\W\d_]{2,})\b", re.IGNORECASE)
_FILES: Final = frozenset(
    {"py", "js", "ts", "md", "rs", "css", "csv", "html", "json", "pdf", "png", "sh", "sql", "svg", "toml", "txt", "xml", "yaml", "yml", "zip"}
)  # fmt: skip
"""Endings of file names; written without https:// they are no hosts."""
_TURNS: Final = frozenset("\u202d\u202e")
"""Characters that make what is read differ from what is written."""
_PER_USD: Final = {"microusd": 1_000_000, "cents": 100, "minor": 100, "usd": 1, "amount": 1, "price": 1}


def unbound_words(text: str, *, bound: object) -> list[str]:
    """Return the amounts, payees and hosts in `text` that `bound` does not contain, as they are written.

    Args:
        text: what the owner reads.
        bound: JSON that the answer holds for; a number is an amount when its key says so (`price_usd`, `amount_microusd`).

    Source: R-12.28.
    """
    if _TURNS & set(text):
        return ["characters that turn the direction of reading"]
    seen, known = _plain(text), [_plain(words) for words in _texts(bound)]
    amounts = {*_amounts(bound, per_usd=0), *(amount for words in known for _, amount in _amounts_in(words))}
    payees = {payee for words in known for payee in _payees_in(words)}
    hosts = {host for words in known for host in _hosts_in(words)}
    return [
        *(written for written, amount in _amounts_in(seen) if amount not in amounts),
        *(payee for payee in _payees_in(seen) if payee not in payees),
        *(host for host in _hosts_in(seen) if host not in hosts),
    ]


def _plain(text: str) -> str:
    """Full-width digits become digits, and what cannot be seen is left out."""
    return "".join(sign for sign in normalize("NFKC", text) if category(sign) != "Cf")


def _amounts_in(text: str) -> Iterator[tuple[str, Decimal]]:
    for found in _AMOUNT.finditer(text):
        side = "after" if found["after"] else "before"
        times = _TIMES.get((found[f"{side}_times"] or "").lower(), 1)
        yield found[0].strip(), Decimal(found[side].replace(",", "")) * times


def _payees_in(text: str) -> Iterator[str]:
    return (found[0].lower() for found in _PAYEE.finditer(text))


def _hosts_in(text: str) -> Iterator[str]:
    for found in _HOST.finditer(_PAYEE.sub(" ", text)):
        name = found["name"].lower()
        if found["scheme"] or name.rpartition(".")[2] not in _FILES:
            yield name.removeprefix("www.")


def _texts(bound: object) -> Iterator[str]:
    if isinstance(bound, str):
        yield bound
    elif isinstance(bound, Mapping):
        yield from (text for inner in bound.values() for text in _texts(inner))
    elif isinstance(bound, Sequence):
        yield from (text for inner in bound for text in _texts(inner))


def _amounts(bound: object, *, per_usd: int) -> Iterator[Decimal]:
    """Yield the numbers whose key says that they are money, in whole dollars."""
    if isinstance(bound, Mapping):
        for key, inner in bound.items():
            yield from _amounts(inner, per_usd=_unit_of(str(key)))
    elif isinstance(bound, Sequence) and not isinstance(bound, str):
        yield from (amount for inner in bound for amount in _amounts(inner, per_usd=per_usd))
    elif per_usd and isinstance(bound, int | float) and not isinstance(bound, bool):
        yield Decimal(str(bound)) / per_usd


def _unit_of(key: str) -> int:
    return next((unit for word, unit in _PER_USD.items() if word in key.lower().split("_")), 0)
