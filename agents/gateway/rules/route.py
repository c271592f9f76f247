"""The table of routes: which models may serve an intent, cheapest first, then what stands in for them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

TaskType = Literal[
    "classification", "extraction", "summarization", "coding", "reasoning", "creative", "general", "key_check"
]
Quality = Literal["best", "good", "acceptable"]

TIERS = ("local", "budget", "mid", "premium", "frontier")
_BY_QUALITY = {"best": ("premium", "frontier"), "good": ("mid", "premium"), "acceptable": ("local", "budget")}
_DATED = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")
_UNSAFE = frozenset({"local", "budget"})


@dataclass(frozen=True)
class Intent:
    """What is wanted, not which model. Source: R-02.2.

    Attributes:
        security_sensitive: set by code from the task's type; frontier models only.
        untrusted_input: somebody outside wrote parts of the prompt; never a local or budget model.
        tier_steps: how many tiers above what `quality` gives.
        prefer_provider: the agent's own wish, a hint: first choice inside the wanted tiers, never a reason to leave them.
        not_provider: the author's provider, when a review must come from another one.
    """

    task_type: TaskType = "general"
    quality: Quality = "good"
    security_sensitive: bool = False
    untrusted_input: bool = False
    tier_steps: int = 0
    prefer_provider: str = ""
    not_provider: str = ""


@dataclass(frozen=True)
class Candidate:
    """One model as far as routing looks at it; `bound_microusd` None: its price is unknown."""

    provider: str
    model: str
    tier: str
    can: frozenset[str]
    window_tokens: int
    bound_microusd: int | None = None


def tier_groups(intent: Intent) -> list[tuple[str, ...]]:
    """Return tiers in the order in which they are tried; models inside a group compete by price. Source: R-02.8.

    After the wanted tiers come the lower ones (R-02.10), then the higher ones: they are for the day on which the
    wanted and the lower tiers hold no model at all.
    """
    if intent.security_sensitive:
        return [("frontier",)]
    wanted = _stepped(_BY_QUALITY[intent.quality], intent.tier_steps)
    lowest, highest = TIERS.index(wanted[0]), TIERS.index(wanted[-1])
    groups = [wanted, *((tier,) for tier in reversed(TIERS[:lowest])), *((t,) for t in TIERS[highest + 1 :])]
    if not intent.untrusted_input:
        return groups
    safe = (tuple(tier for tier in group if tier not in _UNSAFE) for group in groups)
    return [group for group in safe if group]


def _stepped(tiers: Sequence[str], steps: int) -> tuple[str, ...]:
    top = len(TIERS) - 1
    return tuple(dict.fromkeys(TIERS[min(max(TIERS.index(tier) + steps, 0), top)] for tier in tiers))


def capable(
    candidates: Iterable[Candidate], *, needs: frozenset[str], prompt_tokens: int, max_tokens: int
) -> list[Candidate]:
    """Return who has every capability and room enough. Source: R-02.9."""
    room = (prompt_tokens + max_tokens) * 11 / 10
    return [c for c in candidates if needs <= c.can and c.window_tokens >= room]


def in_order(candidates: Iterable[Candidate], intent: Intent) -> list[Candidate]:
    """Return the priced candidates an intent may use, first choice first; equal for equal input."""
    priced = sorted(
        (c for c in candidates if c.bound_microusd is not None and c.provider != intent.not_provider),
        key=lambda c: (c.provider != intent.prefer_provider, c.bound_microusd, c.provider, c.model),
    )
    return [c for group in tier_groups(intent) for c in priced if c.tier in group]


def names_of(served: str) -> tuple[str, ...]:
    """Return the names under which the price of a served model may stand: its own, then without its date."""
    return tuple(dict.fromkeys((served, _DATED.sub("", served))))


def reason_for(intent: Intent, candidate: Candidate) -> str:
    """Return in words why `candidate` is tried."""
    if intent.security_sensitive:
        return "security sensitive: frontier only"
    wanted = _stepped(_BY_QUALITY[intent.quality], intent.tier_steps)
    said = f"{intent.quality}{f' +{intent.tier_steps}' if intent.tier_steps else ''}: "
    said += f"cheapest of {', '.join(wanted)}" if candidate.tier in wanted else "stands in for them"
    said += f", {intent.prefer_provider} preferred" if intent.prefer_provider else ""
    return said + (f", not {intent.not_provider}" if intent.not_provider else "")
