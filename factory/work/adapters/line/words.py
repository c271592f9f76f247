"""What both dialects say alike."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from factory.work import rules
from factory.work.ports import Before, Taken

URGENT_RANK = -rules.CRITICAL / 2
"""Ranks of critical work lie below."""

IN_LINE = "t.state = 'ready' and t.held = ''"
"""The condition of the index `task_in_line`, word for word."""

RUNS_FOR_S = "case t.type {} else {} end".format(
    " ".join(f"when '{kind}' then {seconds}" for kind, seconds in sorted(rules.SECONDS_BY_TYPE.items())),
    rules.limit_s(""),
)
"""Seconds that an attempt at the task may take."""

TASK_COLUMNS = """t.id, t.dag_id, t.agent_id, t.fence, t.failures, t.kind, t.type, t.queue, t.title, t.brief, t.validator,
  t.arguments, t.answer_schema, t.workspace, t.may_write, t.decisions, t.depth, t.scope_id"""
GRAPH_COLUMNS = """d.scope_id as dag_scope, d.payer_id, a.scope_id as agent_scope, d.correlation_id,
  d.state = 'pending' as is_first"""
MORE_COLUMNS = """(select l.cap_microusd from billing_limit l where l.scope_id = t.scope_id and l.period = 'life') as cap,
  (select s.id from billing_scope s where s.kind = 'factory' and s.ref = 'factory') as factory_scope,
  (select count(*) from work_dependency e where e.task_id = t.id) as waited_for"""
COLUMNS = f"{TASK_COLUMNS}, {GRAPH_COLUMNS}, {MORE_COLUMNS}"
"""What `taken_of` reads, in this order; before it stands the attempt, behind it what came before."""


def taken_of(row: Sequence[Any]) -> Taken:
    """Return the claimed task that a row of attempt, `COLUMNS` and what came before describes."""
    (
        attempt_id, task_id, dag_id, agent_id, fence, failures, kind, type_, queue, title, brief, validator, arguments,
        answer_schema, workspace, may_write, decisions, depth, scope, dag_scope, payer, agent_scope, correlation_id, is_first, cap,
        factory_scope, waited_for, before,
    ) = row  # fmt: skip
    payers = (_uuid(one) for one in (scope, dag_scope, payer, agent_scope, factory_scope))
    return Taken(
        attempt_id=UUID(str(attempt_id)), task_id=UUID(str(task_id)), dag_id=UUID(str(dag_id)), agent_id=_uuid(agent_id),
        fence=fence, failures=failures, kind=kind, type=type_, queue=queue, title=title, brief=brief, validator=validator,
        arguments=_json(arguments), answer_schema=_json(answer_schema), workspace=_json(workspace),
        may_write=_json(may_write), decisions=_json(decisions),
        scopes=tuple(dict.fromkeys(one for one in payers if one)),
        depth=depth, cap_microusd=cap or 0, correlation_id=_uuid(correlation_id), is_first=bool(is_first), waited_for=waited_for,
        before=tuple(Before(key=key, result=result, made=bool(made)) for key, result, made in _json(before) or ()),
    )  # fmt: skip


def _uuid(value: Any) -> UUID | None:
    return value if value is None or isinstance(value, UUID) else UUID(value)


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str | bytes) else value
