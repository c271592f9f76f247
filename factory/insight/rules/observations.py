"""A span as a trace store reads it: what is told of it, redacted, in the words of Langfuse. Source: R-08.10."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from core.money import to_usd
from core.redact import redact
from factory.insight.rules.spans import Span

MOST_LETTERS: Final = 20_000
MOST_OF_A_NAME: Final = 200
TYPES: Final[Mapping[str, str]] = {"call": "generation", "tool": "tool", "attempt": "agent"}
WRONG: Final = frozenset({"failed", "lost", "refused", "denied", "dead_letter"})

Value = str | bool | float | tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One span and what belongs to it in its story.

    Attributes:
        story: the trace it stands in.
        said, answered: what went in and what came out; empty: not kept.
        environment: `rehearsal` or `real`.
    """

    span: Span
    story: UUID
    title: str = ""
    product: str = ""
    said: str = ""
    answered: str = ""
    environment: str = "rehearsal"

    @property
    def name(self) -> str:
        """Its name as it is told: redacted, not longer than 200 letters."""
        return _named(self.span.name)

    def attributes(self) -> dict[str, Value]:
        """Return what is told, each text redacted and none longer than 20,000 letters; what says nothing is left out."""
        span = self.span
        told: dict[str, Value] = {
            "langfuse.observation.type": TYPES.get(span.kind, "span"),
            "langfuse.trace.name": _named(self.title),
            "langfuse.trace.tags": tuple(f"product:{_named(one)}" for one in (self.product,) if one),
            "session.id": str(self.story),
            "user.id": _named(span.agent),
            "langfuse.environment": self.environment,
            "langfuse.version": span.prompt_version,
            "langfuse.observation.level": "ERROR" if span.status in WRONG else "DEFAULT",
            "langfuse.observation.status_message": _told(" ".join(filter(None, (span.status, span.words)))),
            "langfuse.observation.input": _told(self.said),
            "langfuse.observation.output": _told(self.answered),
            "langfuse.observation.metadata.kind": span.kind,
            "langfuse.observation.metadata.is_lost": "yes" if span.is_lost else "",
            "langfuse.internal.is_app_root": span.parent_id is None,
        }
        if span.kind == "call":
            told |= self._generation()
        return {name: value for name, value in told.items() if value or value is False}

    def _generation(self) -> dict[str, Value]:
        span = self.span
        usage = {"input": span.prompt_tokens, "output": span.completion_tokens}
        known = {name: number for name, number in usage.items() if number is not None}
        cost = None if span.cost_microusd is None else _dollars(to_usd(span.cost_microusd))
        return {
            "langfuse.observation.model.name": _named(span.model),
            "langfuse.observation.usage_details": json.dumps(known) if known else "",
            "langfuse.observation.cost_details": "" if cost is None else f'{{"total": {cost}}}',
        }


def _told(text: str) -> str:
    return redact(text)[:MOST_LETTERS]


def _named(name: str) -> str:
    return redact(name)[:MOST_OF_A_NAME]


def _dollars(amount: Decimal) -> str:
    return f"{amount:.6f}"


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a judge said of a try.

    Attributes:
        span_id: the try; None: of the whole story.
    """

    id: UUID
    story: UUID
    span_id: UUID | None
    name: str
    value: float
    comment: str
    at: str

    def body(self) -> dict[str, object]:
        """Return it as it is sent."""
        body = {
            "id": str(self.id), "traceId": trace_id_of(self.story).hex(), "name": self.name, "value": self.value,
            "dataType": "NUMERIC", "comment": _told(self.comment), "timestamp": self.at,
        }  # fmt: skip
        return body | ({"observationId": span_id_of(self.span_id).hex()} if self.span_id else {})


def trace_id_of(story: UUID) -> bytes:
    """Return the 16 bytes by which a trace store knows a story."""
    return story.bytes


def span_id_of(pk: UUID) -> bytes:
    """Return the 8 bytes by which it knows a span: the random end of our id, so that a repeat is the same span."""
    return pk.bytes[8:]
