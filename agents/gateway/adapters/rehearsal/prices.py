"""Plans, prices, limits and days of history: as an idea states them, else the core's own."""

import re
from dataclasses import dataclass

_LIST = r"\d+(?:\s*(?:/|,|and|or|und|oder|et|ou|y|o)\s*[$€]?\s?\d+)*"
_MONEY = re.compile(
    rf"(?P<told>(?:plans?|prices?|priced|tiers?|tarife?|preise?|prix|offres?|precios?|planes)\b[^.$€\d]{{0,30}})?"
    rf"(?:[$€]\s?(?P<before>{_LIST})|\b(?P<after>{_LIST})\s?(?:[$€]|usd\b|dollars?\b|euros?\b))", re.I
)  # fmt: skip
_LIMIT = re.compile(
    rf"\b(?:for|with|up to|für|bis zu|mit|pour|jusqu'à|avec|para|hasta|con)\s+(?P<list>{_LIST})\s+(?P<noun>[^\W\d_]{{3,}})", re.I
)  # fmt: skip
_DAYS = re.compile(
    rf"(?P<list>{_LIST})\s*(?:days?|tagen?|jours?|días?)\s+(?:of\s+|an\s+|d['e]\s*|de\s+)?(?:the\s+|l['’]\s*)?(?:history|verlauf|historique|historial)"
    rf"|(?:history|verlauf|historique|historial)\D{{0,20}}?(?P<back>{_LIST})\s*(?:days?|tagen?|jours?|días?)", re.I
)  # fmt: skip
_TIMES = re.compile(r"^(?:days?|hours?|minutes?|weeks?|months?|years?|usd|euros?|dollars?|tage?n?|stunden?|jours?|heures?|mois|días?|horas?|mes\w*|min\w*|se[ck]\w*)$", re.I)  # fmt: skip
_RANGE = re.compile(r"\$(\d+) to \$(\d+)")
_NAMES = (("Small",), ("Small", "Large"), ("Small", "Medium", "Large"))  # of one plan, of two, of three


@dataclass(frozen=True)
class Plan:
    """One plan: what a month costs in whole US dollars, how many it holds, how far back it shows."""

    name: str
    usd_month: int
    limit: int
    history_days: int


def read_plans(text: str, *, usual: tuple[int, int, int], rule: str = "") -> tuple[Plan, ...]:
    """Up to three plans; what `text` does not state follows `usual` prices and round steps.

    "$LOW to $HIGH" in the `rule`, the words around the idea, bounds every price.
    """
    usd, limits, days = _prices(text), _limits(text), _numbers(_group(_DAYS.search(text), "list", "back"))
    prices = usd or list(usual)
    if bounds := _RANGE.search(rule):
        low, high = int(bounds[1]), int(bounds[2])
        prices = list(dict.fromkeys(min(max(price, low), high) for price in prices))
    return tuple(
        Plan(name, price, _at(limits, n, usual=(10, 50, 250)), _at(days, n, usual=(30, 90, 365)))
        for n, (name, price) in enumerate(zip(_NAMES[len(prices) - 1], prices, strict=True))
    )


def counted_noun(text: str) -> str:
    """What the plans count, in the idea's word, or ""."""
    return next((found["noun"] for found in _LIMIT.finditer(text) if _is_limit(found)), "")


def _prices(text: str) -> list[int]:
    """Prices of one's own: a list of them, or one that a word of plans and prices introduces."""
    for found in _MONEY.finditer(text):
        prices = [n for n in _numbers(_group(found, "before", "after")) if 1 <= n <= 49]
        if prices and (len(prices) > 1 or found["told"]):
            return sorted(set(prices))[:3]
    return []


def _limits(text: str) -> list[int]:
    return next((_numbers(found["list"]) for found in _LIMIT.finditer(text) if _is_limit(found)), [])


def _is_limit(found: re.Match[str]) -> bool:
    return not _TIMES.match(found["noun"]) and all(0 < n <= 1_000 for n in _numbers(found["list"]))


def _at(told: list[int], place: int, *, usual: tuple[int, int, int]) -> int:
    """The stated number of that plan, five times the last stated one for a plan above, else the usual one."""
    if not told:
        return usual[place]
    return max(1, told[place] if place < len(told) else told[-1] * 5 ** (place - len(told) + 1))


def _numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", text)][:3]


def _group(found: re.Match[str] | None, *names: str) -> str:
    return next((found[name] for name in names if found[name]), "") if found else ""
