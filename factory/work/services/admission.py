"""Who may start now: what the claim holds back, how it comes back, and how both are said to people."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from agents.gateway.services.batches import open_batches
from agents.roster.models import Agent
from billing.models import Period, Scope, Switch
from billing.rules import headroom
from billing.services import factory_scope, open_switches, open_windows
from core.adapters import wake
from core.money import in_words
from core.registry import Outcome, Shortage
from core.services import business_now, machine_now, may_begin
from factory.work import rules
from factory.work.models import Node, Queue, Task
from factory.work.ports import Refused
from portfolio.models import Product

FROZEN: Final = "frozen"
BUDGET: Final = "budget:"
SWITCH: Final = "switch:"
BATCH: Final = "batch:"


def hold_back(refused: Refused) -> int:
    """Take the refused task, and all that would be refused for the same reason, out of the line; return how many.

    So that nothing is weighed again and again; `readmit` brings them back.
    """
    task = Task.objects.select_related("dag").get(pk=refused.task_id)
    ready = Task.objects.filter(state=Task.State.READY, held="")
    if refused.why == FROZEN:
        return ready.filter(dag__product=task.dag.product).update(held=FROZEN)
    scope = Scope.objects.get(pk=UUID(refused.why.removeprefix(BUDGET)))
    own = {"scope__limits__period": Period.LIFE, "scope__limits__cap_microusd__lt": rules.LEAST_MICROUSD}
    alike = ready.filter(_paid_by(scope), agent__isnull=False).exclude(**own)
    same = Task.objects.filter(Q(pk=task.pk) | Q(pk__in=alike), state=Task.State.READY)
    return same.update(held=f"{BUDGET}{scope.pk}")


def _paid_by(scope: Scope) -> Q:
    """Return which tasks draw on this scope besides their own."""
    if scope.kind == Scope.Kind.FACTORY:
        return Q()
    agents = Q(agent__scope__parent=scope) if scope.kind == Scope.Kind.TEAM else Q(agent__scope=scope)
    return Q(dag__scope=scope) | Q(dag__payer=scope) | agents


@transaction.atomic
def readmit() -> int:
    """Put back into the line what was held for a reason that is gone: money, a switch, a frozen product, a batch. Safe to run twice."""
    off = {_held_by(one) for one in open_switches()}
    thawed = Task.objects.filter(held=FROZEN).exclude(dag__product__state=Product.State.FROZEN)
    back = _let_in(thawed)
    back += _let_in(Task.objects.filter(held__startswith=SWITCH).exclude(held__in=off))
    budgets = (
        Task.objects.filter(held__startswith=BUDGET).values_list("held", flat=True).distinct().order_by()
    )
    waits = {held: _shortage(held) for held in budgets}
    left = {scope_id: _left_in({scope_id}) for scope_id in {short.scope_id for short in waits.values()}}
    free = [held for held, short in waits.items() if left[short.scope_id] >= short.needed_microusd]
    back += _let_in(Task.objects.filter(held__in=free))
    return back + _let_in_answered()


def held_until(outcome: Outcome) -> str:
    """Return what keeps the task of this outcome out of the line; empty: nothing."""
    if outcome.waits_for:
        return f"{BATCH}{outcome.waits_for}"
    short = outcome.short
    return f"{BUDGET}{short.scope_id}:{short.needed_microusd}" if short else ""


def _shortage(held: str) -> Shortage:
    """Return whose limit keeps a task out of the line, and how much must be left in it."""
    scope_id, _, needed = held.removeprefix(BUDGET).partition(":")
    return Shortage(UUID(scope_id), int(needed or rules.LEAST_MICROUSD))


def _let_in_answered() -> int:
    """Put back what waited for a batch that is over, answered or not. Source: R-02.21."""
    waiting = Task.objects.filter(held__startswith=BATCH)
    keys = {held.removeprefix(BATCH) for held in waiting.values_list("held", flat=True).order_by()}
    over = keys - open_batches(keys) if keys else ()
    return _let_in(waiting.filter(held__in=[f"{BATCH}{key}" for key in over]))


@transaction.atomic
def hold_switched() -> int:
    """Take the tasks of agents, teams and products that are switched off out of the line; return how many. Safe to run twice."""
    ready = Task.objects.filter(state=Task.State.READY, held="", agent__isnull=False)
    found = {
        one: Q(agent__name=one.ref)
        if one.kind == Switch.Kind.AGENT
        else Q(agent__scope__parent__kind="team", agent__scope__parent__ref=one.ref)
        if one.kind == Switch.Kind.TEAM
        else Q(dag__product__scope__ref=one.ref)
        for one in open_switches()
        if one.kind in (Switch.Kind.AGENT, Switch.Kind.TEAM, Switch.Kind.PRODUCT)
    }
    return sum(ready.filter(theirs).update(held=_held_by(one)) for one, theirs in found.items())


def _held_by(switch: Switch) -> str:
    return f"{SWITCH}{switch.kind}:{switch.ref}"[:80]


def _let_in(held: "QuerySet[Task]") -> int:
    queues = set(held.values_list("queue", flat=True).order_by())
    count = held.update(held="") if queues else 0
    if count:
        transaction.on_commit(lambda: wake.ring(*queues))
    return count


def _left_in(scopes: set[UUID]) -> int:
    return headroom(window.room for window in open_windows(scopes, moment=business_now()))


@dataclass(frozen=True)
class Admission:
    """What is shut at one moment, and why, for people; the claim itself decides by rows it has locked.

    Attributes:
        is_stopped: nothing new begins: stopped, draining or in maintenance.
        shut_agents: agents that take nothing now, and what keeps them.
        shut_queues: queues that are paused.
        is_node_there: a host of the `gpu` queue was heard of lately.
    """

    is_stopped: bool
    shut_agents: Mapping[UUID, str]
    shut_queues: frozenset[str]
    is_node_there: bool = True
    _left: dict[frozenset[UUID], int] = field(default_factory=dict)

    def refusal(self, task: Task) -> str:
        """Return in words why `task` may not start now; empty when it may."""
        if self.is_stopped:
            return "everything is stopped"
        if task.dag.is_paused:
            return "its graph is paused"
        if task.dag.product is not None and task.dag.product.state == Product.State.FROZEN:
            return "its product is frozen"
        if task.queue in self.shut_queues:
            return f"the queue {task.queue} is paused"
        if task.queue in rules.NODE_QUEUES and not self.is_node_there:
            return "no GPU host is there"
        if task.held.startswith(("question:", SWITCH, BATCH)):
            return why_held(task.held)
        return self._money_or_agent_refusal(task)

    def _money_or_agent_refusal(self, task: Task) -> str:
        if task.held.startswith(BUDGET):
            return self._why_short(_shortage(task.held))
        if task.agent_id is None:
            return ""
        return self.shut_agents.get(task.agent_id, "") or self._budget_refusal(task)

    def _budget_refusal(self, task: Task) -> str:
        """The task's own limit is left to its calls; what stands above it is shared and may fill up again."""
        left = self._left_of(frozenset(payers_of(task)[1:]))
        is_enough = left >= min(rules.LEAST_MICROUSD, task.max_cost_microusd)
        return "" if is_enough else f"a budget has only {in_words(left)} left"

    def _why_short(self, short: Shortage) -> str:
        """Empty while the line has not noticed yet that there is room again."""
        left = self._left_of(frozenset({short.scope_id}))
        if left >= short.needed_microusd:
            return ""
        return f"its next call may need {in_words(short.needed_microusd)}, a budget has only {in_words(left)} left"

    def _left_of(self, scopes: frozenset[UUID]) -> int:
        if scopes not in self._left:
            self._left[scopes] = _left_in(set(scopes))
        return self._left[scopes]


def why_held(held: str) -> str:
    """Return in words what keeps a task out of the line, without looking whether it still does."""
    if held.startswith(SWITCH):
        return f"{held.rpartition(':')[2]} is switched off"
    if held.startswith(BATCH):
        return "its answer comes within a day, at the batch lane's price"
    if held.startswith(BUDGET):
        return "its next call does not fit a limit for now"
    return "the answer it waited for was taken back"


def read_admission() -> Admission:
    """Return what is shut now."""
    paused = Queue.objects.filter(is_paused=True).values_list("name", flat=True)
    return Admission(
        is_stopped=not may_begin(),
        shut_agents=shut_agents(),
        shut_queues=frozenset(paused),
        is_node_there=Node.objects.there(machine_now()).exists(),
    )


def shut_agents() -> dict[UUID, str]:
    """Return the agents that take nothing now, and what keeps them."""
    busy = Counter(Task.objects.leased().values_list("agent_id", flat=True))
    shut = {}
    for agent in Agent.objects.select_related("version").only("name", "is_enabled", "version__front"):
        if not agent.is_enabled:
            shut[agent.pk] = f"{agent.name} is switched off"
        elif busy[agent.pk] and busy[agent.pk] >= agent.definition.limits.max_parallel:
            shut[agent.pk] = f"{agent.name} has enough to do"
    return shut


def ancestors_of(task: Task) -> list[UUID]:
    """Return the ids of the scopes of the tasks it is a child of, the nearest first: children draw on them. Source: U-5."""
    scopes, parent = [], task.parent
    while parent is not None:
        scopes.append(parent.scope_id)
        parent = parent.parent
    return scopes


def payers_of(task: Task) -> tuple[UUID, ...]:
    """Return the ids of the scopes that pay for `task`, its own first, the factory's last."""
    payers = [task.scope_id, *ancestors_of(task), task.dag.scope_id, task.dag.payer_id]
    if task.agent is not None:
        payers.append(task.agent.scope_id)
    return tuple(dict.fromkeys((*payers, factory_scope().pk)))
