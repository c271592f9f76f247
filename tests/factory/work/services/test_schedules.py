"""Schedules: due by the owner's clock, once, also after a downtime, never over themselves."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection

from core.registry import TaskSpec
from core.services import drain, end_maintenance, found_installation
from factory.work.errors import GraphRefused, ScheduleRefused
from factory.work.models import Dag, Schedule, Task
from factory.work.rules import MAX_OPEN_PER_SOURCE, slot_after, specs_of, template_of
from factory.work.services import (
    cancel_graph,
    pause_schedule,
    remove_schedule,
    resume_schedule,
    set_schedule,
    start_due_schedules,
)
from tests.factory.work import hands  # noqa: F401 (registers the job that the templates name)

pytestmark = pytest.mark.django_db
TASKS = [
    TaskSpec(key="one", title="One", kind="test.nothing"),
    TaskSpec(key="two", title="Two", kind="test.nothing", after=("one",)),
]
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def a_schedule(**facts: Any) -> Schedule:
    """Return a schedule that is due every hour."""
    said = {"cron": "0 * * * *", "tasks": TASKS, "by": "owner:ada", "zone": "UTC", **facts}
    return set_schedule("Look at the logs", **said)


def auckland(cron: str, *moments: datetime) -> list[str]:
    """Return when `cron` is due after each moment, in UTC."""
    return [f"{slot_after(cron, zone='Pacific/Auckland', moment=moment):%m-%d %H:%M}" for moment in moments]


@pytest.mark.parametrize(
    ("cron", "after", "due"),
    [
        ("30 2 * * *", datetime(2026, 9, 26, 13, tzinfo=UTC), "09-26 14:00"),
        ("30 2 * * *", datetime(2026, 9, 26, 14, tzinfo=UTC), "09-27 13:30"),
        ("30 2 * * *", datetime(2027, 4, 3, 13, tzinfo=UTC), "04-03 13:30"),
        ("30 2 * * *", datetime(2027, 4, 3, 13, 30, tzinfo=UTC), "04-04 14:30"),
        ("30 * * * *", datetime(2027, 4, 3, 13, 30, tzinfo=UTC), "04-03 14:30"),
        ("0 9 * * *", datetime(2026, 9, 25, 22, tzinfo=UTC), "09-26 20:00"),
    ],
    ids=[
        "skipped in spring",
        "the day after",
        "shown twice in autumn",
        "but due once",
        "hourly is due in both",
        "nine stays nine",
    ],
)
def test_when_the_clocks_change_each_run_comes_once(cron: str, after: datetime, due: str) -> None:
    assert auckland(cron, after) == [due]


@pytest.mark.parametrize(
    ("cron", "zone"), [("", "UTC"), ("61 * * * *", "UTC"), ("0 0 30 2 *", "UTC"), ("0 * * * *", "Mars/Base")]
)
def test_what_means_nothing_is_refused(cron: str, zone: str) -> None:
    with pytest.raises(ScheduleRefused):
        a_schedule(cron=cron, zone=zone)

    assert not Schedule.objects.exists()


def test_a_template_that_makes_no_graph_is_refused() -> None:
    with pytest.raises(GraphRefused):
        a_schedule(tasks=[TaskSpec(key="one", title="One", kind="nobody.knows")])
    with pytest.raises(ScheduleRefused):
        a_schedule(tasks=[TaskSpec(key="one", title="One", kind="test.nothing", due_at=NOON)])


def test_a_template_comes_back_as_it_was() -> None:
    assert specs_of(template_of(TASKS)) == TASKS


def test_a_run_begins_when_it_is_due_and_says_where_it_comes_from() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        schedule = a_schedule()
        too_early = start_due_schedules()
        clock.shift(timedelta(hours=1))

        begun = start_due_schedules(), start_due_schedules()

    schedule.refresh_from_db()
    assert (too_early, begun) == (0, (1, 0))
    assert set(Task.objects.values_list("key", "source", "created_by")) == {
        ("one", "schedule", "schedule:Look at the logs"), ("two", "schedule", "schedule:Look at the logs")
    }  # fmt: skip
    assert schedule.next_at == NOON + timedelta(hours=2)


def test_after_six_hours_of_downtime_it_begins_once() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        schedule = a_schedule()
        clock.shift(timedelta(hours=6, minutes=10))

        begun = start_due_schedules(), start_due_schedules()

    schedule.refresh_from_db()
    assert (begun, Dag.objects.count()) == ((1, 0), 1)
    assert schedule.next_at == NOON + timedelta(hours=7)


def test_runs_of_one_schedule_never_overlap_and_the_missed_one_follows_once() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        a_schedule()
        clock.shift(timedelta(hours=1))
        start_due_schedules()
        clock.shift(timedelta(hours=3))
        while_it_runs = start_due_schedules()
        cancel_graph(Dag.objects.get().pk, by="owner:ada")

        after_it = start_due_schedules(), start_due_schedules()

    assert (while_it_runs, after_it, Dag.objects.count()) == (0, (1, 0), 2)


def test_a_pause_is_not_made_up_for() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        schedule = a_schedule()
        pause_schedule(schedule.pk, by="owner:ada")
        clock.shift(timedelta(hours=5))
        while_paused = start_due_schedules()
        resume_schedule(schedule.pk, by="owner:ada")
        at_once = start_due_schedules()
        clock.shift(timedelta(hours=1))

        assert (while_paused, at_once, start_due_schedules()) == (0, 0, 1)


def test_a_drain_keeps_what_is_due_for_later() -> None:
    found_installation("rehearsal")
    with time_machine.travel(NOON, tick=False) as clock:
        a_schedule()
        clock.shift(timedelta(hours=1))
        drain(by="operator:eve")
        while_draining = start_due_schedules()
        end_maintenance(by="operator:eve")

        assert (while_draining, start_due_schedules()) == (0, 1)


def test_a_run_that_cannot_be_made_is_noted_and_left_out_and_one_without_room_stays_due() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        full, broken = (
            a_schedule(),
            set_schedule("B", cron="0 * * * *", tasks=TASKS, by="owner:ada", zone="UTC"),
        )
        Schedule.objects.filter(pk=broken.pk).update(
            template=template_of([TaskSpec(key="x", title="X", kind="gone")])
        )
        clock.shift(timedelta(hours=1))
        many = [TaskSpec(key=f"t{n}", title="T", kind="test.nothing") for n in range(200)]
        for n in range(MAX_OPEN_PER_SOURCE // 200):
            filler = set_schedule(f"F{n}", cron="0 0 1 1 *", tasks=many, by="owner:ada", zone="UTC")
            Schedule.objects.filter(pk=filler.pk).update(next_at=NOON)

        begun = start_due_schedules()

    full.refresh_from_db()
    broken.refresh_from_db()
    assert begun == MAX_OPEN_PER_SOURCE // 200
    assert ("at most" in full.note, full.next_at) == (True, NOON + timedelta(hours=1))
    assert ("gone" in broken.note, broken.next_at) == (True, NOON + timedelta(hours=2))


def test_a_removed_schedule_begins_nothing_and_its_runs_stay() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        schedule = a_schedule()
        clock.shift(timedelta(hours=1))
        start_due_schedules()
        remove_schedule(schedule.pk, by="owner:ada")
        clock.shift(timedelta(hours=1))

        assert (start_due_schedules(), Dag.objects.count()) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_of_many_processes_that_see_it_due_one_begins_it() -> None:
    schedule = a_schedule()
    Schedule.objects.filter(pk=schedule.pk).update(next_at=datetime(2020, 1, 1, tzinfo=UTC))
    begun: list[int] = []

    def begin() -> None:
        begun.append(start_due_schedules())
        connection.close()

    racers = [threading.Thread(target=begin) for _ in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()

    assert (sum(begun), Dag.objects.count()) == (1, 1)
