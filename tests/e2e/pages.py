"""Every page a signed-in person can open: its name, and its address in a filled factory. A new page adds a line."""

from collections.abc import Callable

from agents.gateway.models import Call
from approvals.models import Request
from tests.factory.console.asks import equal_refunds
from tests.factory.console.story import Story

PAGES: dict[str, Callable[[Story], str]] = {
    "home": lambda story: "/",
    "decisions": lambda story: "/decisions/",
    "decision": lambda story: f"/decisions/{story.waiting[0].pk}/",
    "together": lambda story: f"/decisions/{equal_refunds(story)[0].pk}/together/",
    "ventures": lambda story: "/ventures/",
    "venture": lambda story: f"/ventures/{story.product.slug}/",
    "quote": lambda story: f"/ventures/{story.product.slug}/quote/",
    "decision over": lambda story: f"/decisions/{_answered()}/",
    "ideas": lambda story: "/ideas/",
    "ideas out": lambda story: "/ideas/?kind=out",
    "idea": lambda story: f"/ideas/{story.idea.name}/",
    "give": lambda story: "/ideas/give/",
    "money": lambda story: "/money/",
    "ledger": lambda story: "/money/ledger/?days=all",
    "calls": lambda story: "/money/calls/",
    "call": lambda story: f"/money/calls/{Call.objects.filter(agent='Rex').latest('started_at').pk}/",
    "agents": lambda story: "/agents/",
    "agent": lambda story: "/agents/Rex/",
    "settings": lambda story: "/settings/",
    "first day": lambda story: "/first-day/",
    "health": lambda story: "/health/",
    "stop": lambda story: "/stop/",
    "work": lambda story: "/work/",
    "graphs": lambda story: "/work/graphs/",
    "graph": lambda story: f"/work/graphs/{story.build.pk}/",
    "step": lambda story: f"/work/steps/{story.build.tasks.get(key='core').pk}/",
    "step that gave up": lambda story: f"/work/steps/{story.build.tasks.get(key='texts').pk}/",
    "session": lambda story: f"/work/sessions/{_session(story)}/",
    "session of a job": lambda story: f"/work/sessions/{_attempt(story, 'desk')}/",
    "result": lambda story: f"/work/results/{story.releases[0].artifact_id}/",
    "trace": lambda story: f"/traces/{story.product.correlation_id}/",
    "search": lambda story: "/search/?q=night",
    "search for nothing": lambda story: "/search/?q=zzzz",
}


def _answered() -> object:
    over = Request.objects.filter(decision__answer="approve").first()
    return over.pk if over else ""


def _attempt(story: Story, key: str) -> object:
    return story.build.tasks.get(key=key).attempts.order_by("-n").values_list("pk", flat=True).first()


def _session(story: Story) -> object:
    return _attempt(story, "core")
