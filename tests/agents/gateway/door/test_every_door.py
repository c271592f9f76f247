"""Every paid door of the URL table, and every limit a call counts in: one full limit is enough."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from agents.gateway.models import Call
from billing.adapters.limits import table_row
from billing.models import Hold, Scope, Window
from billing.services import factory_scope, open_scope, set_limit
from tests.agents.gateway.door.conftest import Begin
from tests.builders import a_scope, an_agent, an_assignment
from tests.faults.client import Faults

HELLO = [{"role": "user", "content": "Hello"}]
ONCE = {"door-count_tokens", "door-embeddings"}
"""What has no stream."""
FREE = {"door-models", "door-model", None}
"""Lists, and the door of every other address, which asks nobody."""
BODIES: dict[str, dict[str, Any]] = {
    "door-chat": {"model": "gpt-5-mini", "messages": HELLO, "max_completion_tokens": 9},
    "door-responses": {"model": "gpt-5-mini", "input": "Hello", "max_output_tokens": 16},
    "door-messages": {"model": "claude-haiku-4-5", "messages": HELLO, "max_tokens": 9},
    "door-count_tokens": {"model": "claude-haiku-4-5", "messages": HELLO},
    "door-embeddings": {"model": "gpt-5-mini", "input": "Hello"},
}
LIMITS = [
    ("agent", "call"), ("task", "life"), ("dag", "life"), ("agent", "day"), ("team", "day"), ("product", "life"), ("product", "day"),
    ("session", "life"), ("factory", "day"), ("factory", "month"),
]  # fmt: skip


def doors(patterns: list[URLPattern | URLResolver], *, before: str = "") -> Iterator[tuple[str | None, str]]:
    """Yield name and route of every address of the models' door."""
    for pattern in patterns:
        route = before + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from doors(pattern.url_patterns, before=route)
        elif route.startswith("v1/"):
            yield pattern.name, route


TABLE = list(doors(get_resolver().url_patterns))
PAID = [(str(name), f"/{route}") for name, route in TABLE if name not in FREE]


def test_every_address_of_the_door_is_known_to_this_test() -> None:
    assert {name for name, _ in PAID} == BODIES.keys()


@pytest.mark.parametrize(("name", "path"), PAID)
def test_every_paid_door_takes_a_hold_in_every_scope_streamed_or_not(
    begin: Begin, faults: Faults, name: str, path: str
) -> None:
    scopes = {kind: a_scope(kind=kind, life=5_000_000) for kind in ("task", "dag", "product")}
    agent = an_agent()
    run = begin(
        agent=agent,
        assignment=an_assignment(agent, scopes=(agent.scope_id, *(s.id for s in scopes.values()))),
    )
    streams = [{}] if name in ONCE else [{}, {"stream": True}]

    answers = [run.post(path, **BODIES[name], **stream) for stream in streams]

    assert [answer.status_code for answer in answers] == [200] * len(streams), answers[-1].text
    assert Hold.objects.count() == len(streams)
    for hold in Hold.objects.all():
        assert set(Window.objects.filter(id__in=hold.windows).values_list("scope__kind", "period")) >= {
            ("task", "life"), ("dag", "life"), ("product", "life"), ("agent", "day"), ("session", "life"),
            ("tier", "day"), ("factory", "day"), ("factory", "month"),
        }  # fmt: skip


@pytest.mark.parametrize(("name", "path"), PAID)
def test_every_paid_door_refuses_when_one_limit_is_full(
    begin: Begin, faults: Faults, name: str, path: str
) -> None:
    agent = an_agent()
    team = open_scope(kind="team", ref="build", label="Build team")
    Scope.objects.filter(pk=agent.scope_id).update(parent=team)
    scopes = {made: a_scope(kind=made) for made in ("task", "dag", "product")} | {"agent": agent.scope}
    run = begin(
        agent=agent, assignment=an_assignment(agent, scopes=tuple(scope.id for scope in scopes.values()))
    )
    session = Scope.objects.filter(kind="session").get()
    paying = {**scopes, "session": session, "team": team, "factory": factory_scope()}

    for kind, period in LIMITS:
        full = paying[kind]
        set_limit(full, period=period, cap_microusd=0)

        answer = run.post(path, **BODIES[name])

        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["type"]) == (
            400,
            "BUDGET_EXCEEDED",
            "billing_error",
        ), (kind, period)
        assert error["facts"]["layer"] in (
            "one call",
            f"{full.label} {'in all' if period == 'life' else 'per ' + period}",
        )
        set_limit(full, period=period, cap_microusd=5_000_000)

    assert (Call.objects.count(), faults.calls()) == (0, [])
    assert run.post(path, **BODIES[name]).status_code == 200


@pytest.mark.parametrize(("name", "path"), PAID)
def test_every_paid_door_refuses_when_the_day_of_every_tier_is_spent(
    begin: Begin, faults: Faults, name: str, path: str
) -> None:
    run = begin()
    for tier in table_row("tier"):
        set_limit(open_scope(kind="tier", ref=tier, label=tier), period="day", cap_microusd=0)

    answer = run.post(path, **BODIES[name])

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "TIER_SPENT")
    assert (Call.objects.count(), faults.calls()) == (0, [])
