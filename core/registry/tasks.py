"""One piece of work to be made, as whoever wants it describes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Workspace:
    """The repository a task works in: it starts from the tip of `base` as it is then, and ends on `branch`."""

    repository: str
    branch: str
    base: str = "main"


@dataclass(frozen=True)
class TaskSpec:
    """One task of a graph to be made.

    Attributes:
        key: its name inside the graph; of a child: among its parent's children.
        kind: `agent` for an agent's work, else the kind of a registered job.
        agent: who works; of a job: on whose behalf, empty for nobody's.
        type: what sort of work it is (`code`, `research`, ...); sets the time limit.
        after: keys of the tasks whose results it needs.
        max_cost_microusd: what it may cost in all; None: the table of limits says.
        validator: `none` (accepted at once), `schema` (accepted when the answer fits), else the name of a judge above.
        priority: 0 (urgent) to 100.
        due_at: business time by which it should be done; lifts it as the time comes near.
        queue: which workers it waits for; empty: those of its kind.
    """

    key: str
    title: str
    kind: str = "agent"
    agent: str = ""
    type: str = "job"
    brief: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    max_cost_microusd: int | None = None
    may_write: tuple[str, ...] = ("**",)
    answer_schema: Mapping[str, Any] | None = None
    validator: str = "none"
    workspace: Workspace | None = None
    priority: int = 50
    due_at: datetime | None = None
    queue: str = ""
