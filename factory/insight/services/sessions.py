"""One attempt as it went: what was asked, said, done and paid."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Prefetch, Sum

from agents.gateway.models import Call
from agents.runtime.models import Note, Session, ToolCall, Turn
from agents.runtime.rules import often_used
from billing.models import Hold, Limit, Period
from factory.work.models import Artifact, Attempt


@dataclass(frozen=True)
class SessionNow:
    """One attempt and its session.

    Attributes:
        session: None: platform code did it, no agent.
        turns: with their tool calls, in order.
        held_microusd: for calls under way.
        cap_microusd: what the step may cost in all; None: no such limit.
        tokens: read, of them from the provider's cache, written; None: nobody told.
    """

    attempt: Attempt
    session: Session | None
    turns: tuple[Turn, ...]
    artifacts: tuple[Artifact, ...]
    inputs: tuple[Artifact, ...]
    cost_microusd: int
    held_microusd: int
    cap_microusd: int | None
    read_tokens: int | None
    cached_tokens: int | None
    written_tokens: int | None
    number: int
    siblings: tuple[Attempt, ...]
    notes: tuple[Note, ...] = ()

    @property
    def often(self) -> dict[str, int]:
        """Tools used more than five times: worth a look, no more. Source: R-08.16."""
        return often_used(use.tool for turn in self.turns for use in turn.tool_calls.all())


def session_of(attempt_id: UUID) -> SessionNow | None:
    """Return the attempt of this id as it stands; None: there is none."""
    found = Attempt.objects.select_related("agent", "task__dag__product", "task__scope")
    attempt = found.filter(pk=attempt_id).first()
    if attempt is None:
        return None
    session = Session.objects.filter(assignment_id=attempt_id).select_related("agent", "prompt").first()
    uses = Prefetch("tool_calls", ToolCall.objects.order_by("pk"))
    turns = Turn.objects.filter(session=session).prefetch_related(uses) if session else ()
    calls = Call.objects.of_assignment(attempt_id)
    told = calls.aggregate(
        cost=Sum("cost_microusd"), read=Sum("prompt_tokens"), cached=Sum("cached_tokens"), written=Sum("completion_tokens")
    )  # fmt: skip
    held = Hold.objects.open().filter(call_id__in=calls.order_by().values("pk"))
    siblings = tuple(Attempt.objects.filter(task=attempt.task_id).order_by("n"))
    return SessionNow(
        attempt=attempt,
        session=session,
        turns=tuple(turns),
        artifacts=tuple(attempt.artifacts.select_related("blob").order_by("created_at", "pk")),
        inputs=tuple(attempt.has_read.select_related("attempt__task", "attempt__agent")),
        cost_microusd=told["cost"] or 0,
        held_microusd=held.aggregate(sum=Sum("bound_microusd"))["sum"] or 0,
        cap_microusd=_cap(attempt),
        read_tokens=told["read"],
        cached_tokens=told["cached"],
        written_tokens=told["written"],
        number=next(n for n, one in enumerate(siblings, start=1) if one.pk == attempt.pk),
        siblings=siblings,
        notes=tuple(Note.objects.filter(assignment_id=attempt_id).order_by("pk")),
    )


def _cap(attempt: Attempt) -> int | None:
    limits = Limit.objects.filter(scope=attempt.task.scope_id, period=Period.LIFE)
    return limits.values_list("cap_microusd", flat=True).first()
