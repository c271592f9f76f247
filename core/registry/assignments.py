"""What `work` hands to whoever carries work out, and what comes back."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from core.registry.tasks import TaskSpec

Json = dict[str, Any]
OutcomeKind = Literal["done", "failed", "waiting", "wants_children", "stopped"]


@dataclass(frozen=True)
class RepoRef:
    """A place in a product's repository: the bare repository, a commit, and the branch the work goes to."""

    repository: Path
    commit: str
    branch: str
    may_write: tuple[str, ...] = ("**",)


@dataclass(frozen=True)
class Limits:
    """What one attempt may use at most."""

    cost_microusd: int = 5_000_000
    seconds: int = 3_600
    tool_calls: int = 20
    max_tokens: int = 16_000


@dataclass(frozen=True)
class Assignment:
    """One attempt at one piece of work, complete in itself: whoever carries it out asks nobody else.

    Attributes:
        id: the attempt; the fence under which results are accepted.
        reuse_key: the task; paid steps stored under it are reused by a later attempt.
        agent: who works, e.g. `Rex`; empty for platform code.
        kind: the job's name for platform code, `agent` for an agent's work.
        type: what sort of work it is (`code`, `research`, `deploy`, ...).
        inputs: results of upstream tasks and the task's own arguments.
        answer_schema: the JSON schema of the answer, None for free text.
        token: capability token of this attempt; ends with it.
        scopes: ids of the billing scopes that pay.
        decisions: answered approvals that belong to this task, by action name.
        last_error: what the attempt before this one died of, shown to the agent; empty for the first.
        tier_steps: how many tiers above the agent's own a model is taken. Source: R-01.15.
    """

    id: UUID
    reuse_key: UUID
    agent: str
    kind: str
    title: str
    brief: str
    inputs: Json
    answer_schema: Json | None
    workspace: RepoRef | None
    token: str
    scopes: tuple[UUID, ...]
    limits: Limits
    decisions: Mapping[str, Json] = field(default_factory=dict)
    correlation_id: UUID | None = None
    last_error: str = ""
    tier_steps: int = 0
    type: str = ""


@dataclass(frozen=True)
class ArtifactDraft:
    """One thing an attempt made: stored as an artifact of the task.

    Attributes:
        kind: `commit`, `json`, `text`, `bundle`, `report` ...
        content: the bytes, or None when `facts` say it all (a commit's RepoRef).
        is_final: nobody needs to consume it.
    """

    kind: str
    name: str
    content: bytes | None = None
    facts: Json = field(default_factory=dict)
    media_type: str = "application/json"
    is_final: bool = False


@dataclass(frozen=True)
class Question:
    """What the owner must decide before the work goes on: handed to `approvals.ask_owner` as it is."""

    action: str
    arguments: Json
    title: str
    facts: Json


@dataclass(frozen=True)
class Shortage:
    """A limit without room for the next call: whose it is, as the id of its billing scope, and what the call needs."""

    scope_id: UUID
    needed_microusd: int


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended; a claim, not a fact: `work` checks it before the task is done.

    Attributes:
        error_class: `transient`, `invalid_output`, `low_quality`, `stuck`, `crash`, `budget` or `permanent`. Source: R-01.16.
        misses: the service that did not answer; the task waits for it and loses no attempt.
        waits_for: the batch without whose answer the next attempt cannot go on; only of a `stopped` one.
        short: the limit that must have room before the next attempt begins; only of a `stopped` one.
        children: the tasks that this one wants done, when it `wants_children`.
        waits_for_children: its next attempt begins with their results; else it is done with `result`, and they go on alone.
    """

    kind: OutcomeKind
    result: Json = field(default_factory=dict)
    artifacts: tuple[ArtifactDraft, ...] = ()
    error: str = ""
    error_class: str = ""
    misses: str = ""
    waits_for: str = ""
    short: Shortage | None = None
    question: Question | None = None
    children: tuple[TaskSpec, ...] = ()
    waits_for_children: bool = True


Stop = threading.Event
"""Set by `work` when the attempt must end: lease lost, cancelled, time over, shutting down."""
