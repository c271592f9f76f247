"""Back-pressure: too much open work is refused, and a long line sounds an alarm once."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from core.models import Event
from factory.work.errors import QueueFull
from factory.work.models import Alarm, Dag, Task
from factory.work.rules import KEV, Load, Origin, TaskSpec, why_full
from factory.work.services import watch_line
from tests.builders import a_graph
from tests.factory.work.hands import a_hand

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("fresh", "load", "origin", "is_full"),
    [
        (1, Load(everything=9_999), Origin(), False),
        (2, Load(everything=9_999), Origin(), True),
        (1, Load(of_source=1_000), Origin("human"), True),
        (1, Load(of_source=1_000), Origin(), False),
        (1, Load(of_product=499), Origin(), False),
        (1, Load(of_product=500), Origin(), True),
        (30, Load(of_kev=30), Origin("agent", KEV), False),
        (31, Load(of_kev=30), Origin("agent", KEV), True),
        (100, Load(of_kev=0), Origin("agent", KEV), False),
        (31, Load(of_kev=30), Origin("agent", "agent:Rex"), False),
    ],
)
def test_each_limit_is_exact(*, fresh: int, load: Load, origin: Origin, is_full: bool) -> None:
    assert bool(why_full(fresh, load=load, origin=origin)) == is_full


def some(count: int, *, agent: str) -> list[TaskSpec]:
    """Return so many tasks of one agent."""
    return [TaskSpec(key=f"t{n}", title="T", agent=agent, type="write") for n in range(count)]


def test_kev_makes_sixty_tasks_a_minute_and_no_more() -> None:
    agent = a_hand().name
    a_graph(*some(60, agent=agent), origin=Origin("agent", KEV))

    with pytest.raises(QueueFull) as full:
        a_graph(*some(1, agent=agent), origin=Origin("agent", KEV))
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        a_graph(*some(1, agent=agent), origin=Origin("agent", KEV))

    assert (full.value.http_status, full.value.is_retryable, full.value.facts["wait_s"]) == (429, True, 60)
    assert Dag.objects.count() == 2


def test_what_is_refused_leaves_nothing() -> None:
    agent = a_hand().name
    a_graph(*some(200, agent=agent), key="first", origin=Origin("human", "owner:ada"))
    Task.objects.update(source="human")
    for n in range(4):
        a_graph(*some(200, agent=agent), key=f"more-{n}", origin=Origin("human", "owner:ada"))

    with pytest.raises(QueueFull):
        a_graph(*some(1, agent=agent), key="last", origin=Origin("human", "owner:ada"))

    assert Task.objects.count() == 1_000
    assert (
        a_graph(*some(1, agent=agent), key="first", origin=Origin("human", "owner:ada")).tasks.count() == 200
    )


def alarms() -> list[str]:
    """Return which alarms sounded."""
    return [
        event.facts["alarm"] for event in Event.objects.filter(kind="work.line_alarmed").order_by("sequence")
    ]


def test_a_deep_line_sounds_the_alarm_once_after_five_minutes_and_again_when_it_comes_back() -> None:
    graph = a_graph(*some(101, agent=a_hand().name))
    now = timezone.now()
    with time_machine.travel(now, tick=False) as clock:
        watch_line()
        at_once = alarms()
        clock.shift(timedelta(minutes=5))
        watch_line()
        watch_line()
        first = alarms()
        Task.objects.filter(dag=graph, key="t0").update(held="paused")
        watch_line()
        Task.objects.filter(dag=graph, key="t0").update(held="")
        watch_line()
        clock.shift(timedelta(minutes=5))
        watch_line()

    assert (at_once, first, alarms()) == ([], ["depth"], ["depth", "depth"])


def test_a_task_that_waits_for_half_an_hour_sounds_the_alarm_once() -> None:
    a_graph(*some(1, agent=a_hand().name))
    watch_line()
    in_time = alarms()

    with time_machine.travel(timezone.now() + timedelta(minutes=31)):
        watch_line()
        watch_line()

    assert (in_time, alarms(), Alarm.objects.get().pk) == ([], ["wait"], "wait")
