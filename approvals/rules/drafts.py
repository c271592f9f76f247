"""A question before it is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RequestDraft:
    """What its asker puts before the owner. Source: R-12.5.

    Attributes:
        action: name of the registered action that a yes carries out.
        arguments: the action's arguments, checked against its schema when it is asked.
        title: the question, at most 60 characters.
        reason: why it is asked.
        asked_by: `agent:Kev`.
        on_yes: what a yes does, in words.
        on_no: what a no, a change or silence does, in words.
        worst_case_microusd: most that a yes can cost, in millionths of a US dollar; None: unknown.
        key: idempotency key of the intent; a repeat gives the first request, unless its yes became void unused.
        binds: artifact digest, amount, payee: what must not change until the effect.
        evidence: `{name, passed, words}` for each thing that was checked.
        diff: what a yes changes, as text.
        product: the product's label.
        deadline_s: business time for an answer; None: what the settings say.
        is_reversible: whether a yes can be undone; None: unknown.
        undo: how, and how soon, in words.
        alternatives: `{name, words}` for each other way.
        worst_case_parts: `{words, microusd}` that add up to the worst case.
    """

    action: str
    arguments: Mapping[str, Any]
    title: str
    reason: str
    asked_by: str
    on_yes: str
    on_no: str
    worst_case_microusd: int | None
    key: str
    binds: Mapping[str, Any] = field(default_factory=dict)
    evidence: Sequence[Mapping[str, Any]] = ()
    diff: str = ""
    product: str = ""
    deadline_s: float | None = None
    is_reversible: bool | None = None
    undo: str = ""
    alternatives: Sequence[Mapping[str, Any]] = ()
    worst_case_parts: Sequence[Mapping[str, Any]] = ()
