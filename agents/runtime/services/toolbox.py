"""The toolbox: every use of a tool passes here, whoever registered it."""

import time
from dataclasses import asdict, dataclass
from typing import Literal

from agents.gateway.ports import ToolCall as Wish
from agents.roster.errors import ToolDenied
from agents.roster.services import authorize, flag_agent
from agents.runtime import rules
from agents.runtime.adapters.workspaces import mark_of
from agents.runtime.errors import DeniedTooOften, Halted
from agents.runtime.models import Session, ToolCall, Turn
from agents.runtime.services.steps import keep_step, recall_step
from core.errors import BadArguments, FactoryError
from core.registry import Tool, ToolContext, check_arguments, find_tool, tool_names
from core.services import announce


@dataclass(frozen=True)
class Told:
    """What the agent is told after a use of a tool."""

    text: str
    outcome: Literal["done", "refused", "denied"] = "done"
    is_error: bool = False


class Toolbox:
    """The tools of one attempt. Source: U-18.

    A result kept by an earlier attempt is told again. In a kept workspace its effect is still there; in a fresh one
    the call is carried out again for its effect, and the kept result is told all the same. The workspace bears a
    mark while it lacks an effect or holds half of one, so that after a death it is not taken for whole.
    """

    def __init__(self, session: Session, *, context: ToolContext, is_fresh: bool) -> None:
        self.session, self.context, self.is_fresh = session, context, is_fresh
        self.mark = mark_of(context.workspace.parent)
        self.denials = 0

    def use(self, wish: Wish, *, turn: Turn, step_key: str) -> Told:
        """Carry out one call and return what the agent is told.

        Raises:
            Halted: the attempt was told to stop before the tool was done; nothing is kept.
            DeniedTooOften: the third time it wanted what it may not do.
            DiskFull, or whatever else misses a service: nothing is kept.
        """
        began = time.monotonic()
        kept = recall_step(self.session.reuse_key, step_key=step_key)
        told = Told(**kept) if kept else self._carry_out_and_keep(wish, step_key=step_key)
        if kept and self.is_fresh and _changes_something(wish.name):
            self._carry_out(wish)
        ToolCall.objects.create(
            turn=turn, tool=wish.name[:80], arguments=wish.arguments, result=told.text, outcome=told.outcome,
            is_error=told.is_error, is_replayed=kept is not None, duration_ms=int((time.monotonic() - began) * 1000),
        )  # fmt: skip
        announce(f"session:{self.session.assignment_id}")
        self._count(told)
        return told

    def _carry_out_and_keep(self, wish: Wish, *, step_key: str) -> Told:
        self.mark.touch()
        told = self._carry_out(wish)
        keep_step(self.session.reuse_key, step_key=step_key, value=asdict(told))
        self.mark.unlink()
        return told

    def _carry_out(self, wish: Wish) -> Told:
        assignment = self.context.assignment
        try:
            authorize(assignment.token, tool=wish.name, subject=_subject(wish) or assignment.title)
            if wish.arguments is None:
                raise BadArguments(at="$", expected=f"a JSON object; this cannot be read: {wish.raw[:200]}")
            tool = find_tool(wish.name)
            check_arguments(tool.schema, wish.arguments)
            result = tool.handler(self.context, wish.arguments)
        except Halted:
            raise
        except ToolDenied as denial:
            return Told(str(denial), "denied", is_error=True)
        except FactoryError as refusal:
            if refusal.misses:  # it says nothing about the work: nobody is told, nothing is kept
                raise
            return Told(str(refusal), "refused", is_error=True)
        return Told(result.text, is_error=result.is_error)

    def _count(self, told: Told) -> None:
        """Source: R-03.9."""
        self.denials += told.outcome == "denied"
        if self.denials > rules.DENIALS_AT_MOST:
            flag_agent(self.session.agent.name, reason=f"denied {self.denials} times in one attempt")
            raise DeniedTooOften(agent=self.session.agent.name)


def tools_of(session: Session) -> tuple[Tool, ...]:
    """Return the tools this session's agent is offered, in the order of its definition."""
    return tuple(find_tool(name) for name in session.agent_version.definition.tools if name in tool_names())


def _changes_something(name: str) -> bool:
    return name in tool_names() and find_tool(name).tool_class in ("write", "run")


def _subject(wish: Wish) -> str:
    given = wish.arguments or {}
    return next((str(given[key]) for key in ("path", "command", "pattern") if given.get(key)), "")
