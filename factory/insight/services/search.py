"""Finding things by a few letters of what they are called."""

from dataclasses import dataclass
from typing import Final

from django.db.models import Q

from agents.roster.models import Agent
from approvals.models import Request
from factory.work.models import Artifact, Dag, Task
from portfolio.models import Opportunity, Product

PER_KIND: Final = 8
LEAST_LETTERS: Final = 2


@dataclass(frozen=True)
class Hits:
    """What was found, by kind; `more` names the kinds of which there is more than is shown."""

    ventures: tuple[Product, ...] = ()
    ideas: tuple[Opportunity, ...] = ()
    decisions: tuple[Request, ...] = ()
    graphs: tuple[Dag, ...] = ()
    tasks: tuple[Task, ...] = ()
    results: tuple[Artifact, ...] = ()
    agents: tuple[Agent, ...] = ()

    @property
    def count(self) -> int:
        """How many things are shown."""
        shown = (
            self.ventures,
            self.ideas,
            self.decisions,
            self.graphs,
            self.tasks,
            self.results,
            self.agents,
        )
        return sum(len(kind) for kind in shown)


def search(text: str) -> Hits:
    """Return what has `text` in its name, of each kind the newest; fewer than two letters find nothing."""
    words = text.strip()
    if len(words) < LEAST_LETTERS:
        return Hits()
    named, titled = Q(name__icontains=words), Q(title__icontains=words)
    tasks = Task.objects.filter(titled).select_related("dag__product", "agent")
    results = Artifact.objects.accepted().filter(named).select_related("attempt__task__dag__product", "blob")
    return Hits(
        ventures=tuple(Product.objects.filter(named).order_by("-opened_at")[:PER_KIND]),
        ideas=tuple(Opportunity.objects.filter(titled | Q(name=words)).order_by("-pk")[:PER_KIND]),
        decisions=tuple(Request.objects.filter(titled).order_by("-asked_at", "-pk")[:PER_KIND]),
        graphs=tuple(Dag.objects.filter(titled).select_related("product").order_by("-created_at")[:PER_KIND]),
        tasks=tuple(tasks.order_by("-created_at")[:PER_KIND]),
        results=tuple(results.order_by("-created_at")[:PER_KIND]),
        agents=tuple(Agent.objects.filter(named).order_by("name")[:PER_KIND]),
    )
