"""The table of routes: which models may serve an intent, first choice first, then what stands in for them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, Literal, NamedTuple

TaskType = Literal[
    "classification",
    "extraction",
    "summarization",
    "coding",
    "reasoning",
    "creative",
    "general",
    "embedding",
    "key_check",
]
Quality = Literal["best", "good", "acceptable"]
Speed = Literal["instant", "fast", "normal", "batch"]

TIERS = ("local", "budget", "mid", "premium", "frontier")
BANDS = {"local": "cheap", "budget": "cheap", "mid": "mid", "premium": "mid", "frontier": "top"}
"""The three shares of the 60/30/10 report. Source: R-02.7."""
_BY_QUALITY = {"best": ("premium", "frontier"), "good": ("mid", "premium"), "acceptable": ("local", "budget")}
_DATED = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")
_NUMBERS = re.compile(r"[-.]?\d[\d.]*")
SENSITIVE_WORK = frozenset({"credentials", "customer_data", "deploy", "outside_message"})
"""Sorts of work that hold secrets or people's data, bring something to users, or speak to strangers. Source: R-02.28."""
_UNSAFE = frozenset({"local", "budget"})
_FIRST_TOKEN_MS = {"instant": 200, "fast": 1_000}


@dataclass(frozen=True)
class Intent:
    """What is wanted, not which model. Source: R-02.2.

    Attributes:
        security_sensitive: set by code from the task's type; frontier models only.
        untrusted_input: somebody outside wrote parts of the prompt; never a local or budget model.
        local_only: nothing may leave our own machines; stronger than all the rest.
        tier_steps: how many tiers above what `quality` gives.
        model: `provider/model` that the owner or Kev chose; first wherever it is allowed at all.
        prefer_provider: the agent's own wish, a hint: first choice inside the wanted tiers, never a reason to leave them.
        not_provider: the author's provider, when a review must come from another one.
        not_model: the author's model, when a review must come from another family.
        max_cost_microusd: who may cost more, at worst, is left out; only who writes the request knows that.
    """

    task_type: TaskType = "general"
    quality: Quality = "good"
    security_sensitive: bool = False
    untrusted_input: bool = False
    tier_steps: int = 0
    prefer_provider: str = ""
    not_provider: str = ""
    speed: Speed = "normal"
    local_only: bool = False
    model: str = ""
    not_model: str = ""
    max_cost_microusd: int | None = None


class Care(NamedTuple):
    """What keeps work from some models, whatever else is wanted; as of an `Intent`."""

    security_sensitive: bool = False
    untrusted_input: bool = False
    local_only: bool = False

    def over(self, intent: Intent) -> Intent:
        """Return what is wanted, with this care; nothing makes it less."""
        if not any(self):
            return intent
        return replace(
            intent,
            security_sensitive=self.security_sensitive or intent.security_sensitive,
            untrusted_input=self.untrusted_input or intent.untrusted_input,
            local_only=self.local_only or intent.local_only,
        )


def care_of(work: str, arguments: Mapping[str, Any]) -> Care:
    """Return what work of this sort needs, or what its arguments ask for beyond it: by code, not by the agent. Source: R-02.28."""
    said = {name: bool(arguments.get(name, False)) for name in Care._fields}
    return Care(**{**said, "security_sensitive": work in SENSITIVE_WORK or said["security_sensitive"]})


@lru_cache(maxsize=8)
def tiers_for(care: Care) -> frozenset[str]:
    """Return the tiers whose models may see such work."""
    return frozenset(tier for group in tier_groups(care.over(Intent())) for tier in group)


class Candidate(NamedTuple):
    """One model as far as routing looks at it: one is made for every model at every call.

    Attributes:
        likely_microusd: about what this call costs there; None: its price is unknown.
        first_token_ms: how fast it began lately; None: nobody measured it.
        is_down: it failed lately, or asked us to wait: last choice.
        room: how many tokens it may write for this call.
        of: whose facts these are; routing does not look at it.
    """

    provider: str
    model: str
    tier: str
    can: frozenset[str]
    window_tokens: int
    likely_microusd: int | None = None
    first_token_ms: int | None = None
    tokens_per_s: int | None = None
    is_down: bool = False
    room: int = 0
    of: Any = None

    @property
    def name(self) -> str:
        """Its whole name."""
        return f"{self.provider}/{self.model}"


def tier_groups(intent: Intent) -> list[tuple[str, ...]]:
    """Return tiers in the order in which they are tried; models inside a group compete. Source: R-02.8.

    After the wanted tiers come the lower ones (R-02.10), then the higher ones: the nearest of them serves where the
    wanted and the lower tiers hold no model at all, and only there (`in_order`).
    """
    if intent.local_only:
        return [("local",)]
    if intent.security_sensitive:
        return [("frontier",)]
    if intent.speed in _FIRST_TOKEN_MS:
        return _safe([TIERS], intent)
    wanted = _wanted(intent)
    lowest, highest = TIERS.index(wanted[0]), TIERS.index(wanted[-1])
    groups = [wanted, *((tier,) for tier in reversed(TIERS[:lowest])), *((t,) for t in TIERS[highest + 1 :])]
    return _safe(groups, intent)


def _safe(groups: Sequence[tuple[str, ...]], intent: Intent) -> list[tuple[str, ...]]:
    if not intent.untrusted_input:
        return list(groups)
    safe = (tuple(tier for tier in group if tier not in _UNSAFE) for group in groups)
    return [group for group in safe if group]


def _wanted(intent: Intent) -> tuple[str, ...]:
    tiers, top = _BY_QUALITY[intent.quality], len(TIERS) - 1
    steps = (min(max(TIERS.index(tier) + intent.tier_steps, 0), top) for tier in tiers)
    return tuple(dict.fromkeys(TIERS[step] for step in steps))


def capable(candidates: Iterable[Candidate], *, needs: frozenset[str], prompt_tokens: int) -> list[Candidate]:
    """Return who has every capability, and a window wide enough for the prompt and what it may write. Source: R-02.9."""
    return [c for c in candidates if needs <= c.can and 10 * c.window_tokens >= 11 * (prompt_tokens + c.room)]


def in_order(candidates: Iterable[Candidate], intent: Intent) -> list[Candidate]:
    """Return the priced candidates an intent may use, first choice first; equal for equal input. Source: R-02.10.

    Nobody stands in who is of a dearer tier than was wanted, unless only dearer ones are there at all.
    """
    place = _places(intent)
    is_open = not (intent.not_provider or intent.not_model)
    served = [
        c
        for c in candidates
        if c.likely_microusd is not None and c.tier in place and (is_open or _may_serve(c, intent))
    ]
    rank = _by_pace if intent.speed in _FIRST_TOKEN_MS else _by_price
    return sorted(_no_dearer(served, intent, place), key=partial(rank, intent, place))


def _no_dearer(served: list[Candidate], intent: Intent, place: Mapping[str, int]) -> list[Candidate]:
    """Leave out tiers above the wanted ones, but for a model that was chosen; where nobody is left, keep the nearest tier."""
    dearer = _dearer(intent)
    if not any(c.tier not in dearer for c in served):
        dearer -= {min((c.tier for c in served), key=place.__getitem__, default="")}
    return [c for c in served if c.tier not in dearer or (intent.model and c.name == intent.model)]


@lru_cache(maxsize=256)
def _dearer(intent: Intent) -> frozenset[str]:
    """Return the tiers above all that are wanted; where pace is wanted, every tier is."""
    if intent.local_only or intent.security_sensitive or intent.speed in _FIRST_TOKEN_MS:
        return frozenset()
    return frozenset(TIERS[TIERS.index(_wanted(intent)[-1]) + 1 :])


@lru_cache(maxsize=256)
def _places(intent: Intent) -> dict[str, int]:
    """Return the place of every tier that may serve."""
    return {tier: n for n, group in enumerate(tier_groups(intent)) for tier in group}


def _may_serve(candidate: Candidate, intent: Intent) -> bool:
    if candidate.provider == intent.not_provider:
        return False
    return not (intent.not_model and family_of(candidate.model) == family_of(intent.not_model))


def _by_price(intent: Intent, place: Mapping[str, int], c: Candidate) -> tuple[Any, ...]:
    """Who is well, who was chosen, the wanted tiers, who is preferred; then the cheaper the better."""
    return (
        c.is_down, not intent.model or c.name != intent.model, place[c.tier],
        c.provider != intent.prefer_provider, c.likely_microusd, c.provider, c.model,
    )  # fmt: skip


def _by_pace(intent: Intent, place: Mapping[str, int], c: Candidate) -> tuple[Any, ...]:
    """Where speed is wanted, who began in time is better, and the sooner the better."""
    by_price = _by_price(intent, place, c)
    is_known = c.first_token_ms is not None
    is_late = (c.first_token_ms or 0) > _FIRST_TOKEN_MS[intent.speed]
    pace = (is_late, not is_known, c.first_token_ms or 0, -(c.tokens_per_s or 0))
    return (*by_price[:3], *pace, *by_price[3:])


def names_of(served: str) -> tuple[str, ...]:
    """Return the names under which the price of a served model may stand: its own, then without its date."""
    return tuple(dict.fromkeys((served, _DATED.sub("", served))))


def family_of(model: str) -> str:
    """Return the line a model belongs to: its name without versions and dates."""
    return _NUMBERS.sub("", _DATED.sub("", model.rpartition("/")[2]))


def reason_for(intent: Intent, candidate: Candidate) -> str:
    """Return in words why `candidate` is tried."""
    if intent.local_only:
        return "local only"
    if intent.security_sensitive:
        return "security sensitive: frontier only"
    if candidate.name == intent.model:
        return "chosen by the owner or Kev"
    said = _wish(intent, candidate)
    said += f", {intent.prefer_provider} preferred" if intent.prefer_provider else ""
    said += f", not {intent.not_provider}" if intent.not_provider else ""
    said += f", not {family_of(intent.not_model)}" if intent.not_model else ""
    return said + (", though it failed lately" if candidate.is_down else "")


def _wish(intent: Intent, candidate: Candidate) -> str:
    if intent.speed in _FIRST_TOKEN_MS:
        return f"{intent.speed}: fastest that is well"
    wanted = _wanted(intent)
    said = f"{intent.quality}{f' {intent.tier_steps:+}' if intent.tier_steps else ''}: "
    return said + (f"cheapest of {', '.join(wanted)}" if candidate.tier in wanted else "stands in for them")
