"""Agents: who works here, what each costs and may do, and its switch."""

from collections.abc import Callable
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from agents.roster.errors import UnknownAgent
from agents.roster.rules import Definition
from agents.roster.services import drain_agent, find_agent, switch_agent
from core.models import User
from core.money import in_words, to_microusd
from factory.console.rules.rights import Rights, rights_of
from factory.console.views.frame import Page, frame_now, go_to, require_role, show
from factory.insight.services import AgentNow, agent_card, agents_now

FILTERS: Final[dict[str, tuple[str, Callable[[AgentNow], bool]]]] = {
    "all": ("All", lambda one: True),
    "work": ("Work", lambda one: bool(one.work)),
    "wait": ("Wait for you", lambda one: one.waiting > 0),
    "idle": ("Idle", lambda one: one.agent.is_enabled and not one.work and not one.waiting),
    "off": ("Switched off", lambda one: not one.agent.is_enabled),
}
BACK: Final = frozenset({"money", "agents"})
KEEPERS: Final = (User.Role.OWNER, User.Role.OPERATOR)


@never_cache
@require_safe
def agents(request: HttpRequest) -> HttpResponse:
    """Show who works, who waits and who is idle, with what each cost and made."""
    frame = frame_now()
    staff = agents_now(frame.now)
    chosen = request.GET.get("who", "all")
    if chosen not in FILTERS:
        chosen = "all"
    page: Page = {
        "frame": frame,
        "staff": staff,
        "shown": [one for one in staff if FILTERS[chosen][1](one)],
        "filters": [(name, words, sum(map(test, staff))) for name, (words, test) in FILTERS.items()],
        "chosen": chosen,
        "counts": {name: sum(map(test, staff)) for name, (_, test) in FILTERS.items()},
        "sums": _sums(staff),
        "parts": ("all",),
    }
    return show(request, "console/agents.html", page, place="agents")


def _sums(staff: tuple[AgentNow, ...]) -> dict[str, int | None]:
    month, accepted = sum(one.month_microusd for one in staff), sum(one.record.accepted for one in staff)
    return {
        "today": sum(one.today.spent_microusd for one in staff),
        "month": month,
        "accepted": accepted,
        "tried": sum(one.record.tried for one in staff),
        "of_one": month // accepted if accepted else None,
    }


@never_cache
@require_safe
def agent(request: HttpRequest, name: str) -> HttpResponse:
    """Show one agent whole; any case of its name finds it."""
    frame = frame_now()
    try:
        card = agent_card(find_agent(name).name, now=frame.now)
    except UnknownAgent as error:
        raise Http404 from error
    if card is None:
        raise Http404
    said = card.now.agent.definition
    page: Page = {
        "frame": frame,
        "card": card,
        "one": card.now,
        "said": said,
        "rights": rights_in_force(said),
        "cap_per_task": to_microusd(said.limits.max_cost_per_task_usd),
        "parts": ("totals", "recent"),
    }
    return show(request, "console/agent.html", page, place="agents")


def rights_in_force(said: Definition) -> Rights:
    """Return in words what this definition lets an agent do."""
    cap = in_words(to_microusd(said.limits.max_cost_per_task_usd))
    return rights_of(
        tools=said.tools, capabilities=said.capabilities, needs=said.limits.requires_approval, cap_per_task=cap, escalation=said.escalation
    )  # fmt: skip


@require_POST
def switch(request: HttpRequest, name: str) -> HttpResponse:
    """Pause an agent, switch it off, or on again; only the owner switches on."""
    wish, why = request.POST.get("do", ""), request.POST.get("why", "")[:300]
    person = require_role(request, *([User.Role.OWNER] if wish == "resume" else KEEPERS))
    by: dict[str, Any] = {"by": person.as_actor, "why": why}
    try:
        known = find_agent(name)
    except UnknownAgent as error:
        raise Http404 from error
    if wish == "resume":
        switch_agent(known.name, is_enabled=True, **by)
        said = f"{known.name} takes work again."
    elif wish == "off":
        switch_agent(known.name, is_enabled=False, **by)
        said = f"{known.name} is switched off."
    else:
        drain_agent(known.name, **by)
        said = f"{known.name} ends what it does and takes nothing new."
    back = request.POST.get("back", "")
    return go_to(request, back, say=said) if back in BACK else go_to(request, "agent", known.name, say=said)
