"""Who may start now: the one gate that every way to start work goes through."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Count

from agents.roster.models import Agent
from billing.rules import headroom
from billing.services import factory_scope, open_windows
from core.models import Installation
from core.money import in_words
from core.services import business_now, may_begin
from factory.work import rules
from factory.work.models import Task
from portfolio.models import Product


@dataclass(frozen=True)
class Admission:
    """What is shut at one moment, and why.

    Attributes:
        is_stopped: nothing new begins: stopped, draining or in maintenance.
        open_agents: agents that are on and have a place free.
        shut_agents: all other agents and what keeps them.
    """

    is_stopped: bool
    open_agents: frozenset[UUID]
    shut_agents: Mapping[UUID, str]
    _left: dict[frozenset[UUID], int] = field(default_factory=dict)

    def refusal(self, task: Task) -> str:
        """Return in words why `task` may not start now; empty when it may."""
        if self.is_stopped:
            return "everything is stopped"
        if task.dag.is_paused:
            return "its graph is paused"
        if task.dag.product is not None and task.dag.product.state == Product.State.FROZEN:
            return "its product is frozen"
        if task.agent_id is None:
            return ""
        return self.shut_agents.get(task.agent_id, "") or self._budget_refusal(task)

    def _budget_refusal(self, task: Task) -> str:
        """The task's own limit is left to its calls; what stands above it is shared and may fill up again."""
        above = frozenset(payers_of(task)[1:])
        if above not in self._left:
            self._left[above] = headroom(w.room for w in open_windows(above, moment=business_now()))
        left = self._left[above]
        is_enough = left >= min(rules.LEAST_MICROUSD, task.max_cost_microusd)
        return "" if is_enough else f"a budget has only {in_words(left)} left"


def read_admission() -> Admission:
    """Return what is shut now; inside a claim, `close_gate` comes first, so that no pause slips in between."""
    busy = dict(
        Task.objects.leased().exclude(agent=None).values_list("agent").annotate(Count("id")).order_by()
    )
    shut = {}
    for agent in Agent.objects.select_related("version"):
        if not agent.is_enabled:
            shut[agent.pk] = f"{agent.name} is switched off"
        elif busy.get(agent.pk, 0) >= agent.definition.limits.max_parallel:
            shut[agent.pk] = f"{agent.name} has enough to do"
    everyone = frozenset(Agent.objects.values_list("pk", flat=True))
    return Admission(is_stopped=not may_begin(), open_agents=everyone - shut.keys(), shut_agents=shut)


def payers_of(task: Task) -> tuple[UUID, ...]:
    """Return the ids of the scopes that pay for `task`, its own first, the factory's last."""
    payers = [task.scope_id, task.dag.scope_id, task.dag.payer_id]
    if task.agent is not None:
        payers.append(task.agent.scope_id)
    return tuple(dict.fromkeys((*payers, factory_scope().pk)))


def close_gate() -> None:
    """Wait for claims that are under way and hold back new ones until this transaction ends."""
    Installation.objects.select_for_update().first()
