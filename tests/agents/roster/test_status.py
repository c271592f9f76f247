"""How an agent stands is read from rows; draining, quarantine and the way back leave a line each."""

import pytest

from agents.roster.models import Agent
from agents.roster.services import card_of, drain_agent, flag_agent, quarantine_agent, switch_agent
from core.models import AuditRow
from tests.builders import an_agent

pytestmark = pytest.mark.django_db


def status(*, is_busy: bool = False, is_reachable: bool = True) -> str:
    """Return how Rex stands."""
    return Agent.objects.get(name="Rex").status(is_busy=is_busy, is_reachable=is_reachable)


def verbs() -> list[str]:
    """Return what the audit says was done, in order."""
    return list(
        AuditRow.objects.filter(verb__startswith="roster.").order_by("pk").values_list("verb", flat=True)
    )


def test_an_agent_is_online_busy_or_without_a_worker() -> None:
    an_agent("Rex")

    assert (status(), status(is_busy=True), status(is_reachable=False)) == ("online", "busy", "offline")


def test_who_drains_takes_nothing_new_until_switched_on() -> None:
    an_agent("Rex")

    for _ in range(2):
        drain_agent("rex", by="owner:ada")
    drained = (status(is_busy=True), Agent.objects.enabled().exists())
    switch_agent("Rex", is_enabled=True, by="owner:ada")

    assert drained == ("draining", False)
    assert (status(), Agent.objects.enabled().count()) == ("online", 1)
    assert verbs() == ["roster.drain_agent", "roster.switch_agent"]


def test_who_is_off_does_not_drain() -> None:
    an_agent("Rex")
    switch_agent("Rex", is_enabled=False, by="owner:ada")

    drain_agent("Rex", by="owner:ada")

    assert status() == "disabled"


def test_quarantine_is_off_with_a_reason_and_ends_when_somebody_looked() -> None:
    an_agent("Rex")

    quarantine_agent("Rex", reason="asked for keys")
    before = (status(), Agent.objects.get().flag_reason)
    switch_agent("Rex", is_enabled=True, by="owner:ada")

    assert before == ("quarantined", "asked for keys")
    assert (status(), Agent.objects.get().flag_reason) == ("online", "")


def test_a_flag_alone_stops_nobody() -> None:
    an_agent("Rex")
    flag_agent("Rex", reason="three times the same fault")

    assert status() == "online"


def test_the_card_says_what_the_file_says_and_where_it_takes_work() -> None:
    agent = an_agent("Rex", front={"tagline": "Writes code.", "capabilities": ["code", "repair"]})

    card = card_of(agent, url="https://factory.example/api/v1/tasks/")

    assert (card["name"], card["description"], card["url"]) == (
        "Rex", "Writes code.", "https://factory.example/api/v1/tasks/",
    )  # fmt: skip
    assert [skill["id"] for skill in card["skills"]] == ["code", "repair"]
