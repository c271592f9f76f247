"""The command line: every verb answers in words and in JSON, changes things through services, and ends with a code."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from agents.roster.models import Agent
from approvals.models import Decision
from billing.models import Entry
from core.models import AuditRow, Installation, User
from factory.console.management.verbs import run_verb
from factory.work.models import Attempt, DeadLetter, Task
from portfolio.models import Product
from tests.builders import a_task, a_user
from tests.factory.console.story import Story

OK, USAGE, REFUSED, NOT_FOUND, CONFLICT = 0, 2, 3, 4, 5
Verb = Callable[..., tuple[int, str]]

LOOKS = [
    ["status"], ["queue"], ["failures"], ["approvals"], ["approvals", "--all"], ["ventures"], ["venture", "nightwatch"],
    ["agents"], ["agent", "rex"], ["spend"], ["spend", "--by", "day"], ["ledger"], ["ledger", "--product", "nightwatch"],
    ["audit"], ["people"], ["nodes"], ["tokens"], ["settings"], ["setting", "theme"], ["schedules"],
    ["objectives"], ["effects"], ["trace", "nightwatch"], ["metrics"], ["metrics", "--by", "hour"],
    ["objectives"], ["effects"], ["costs"], ["costs", "--by", "task", "--days", "9"], ["limits"], ["switches"], ["switches", "--all"],
]  # fmt: skip


@pytest.fixture
def verb(story: Story, capsys: pytest.CaptureFixture[str]) -> Verb:
    """Return a way to carry out a verb: its exit code and all it said."""

    def carry_out(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_verb(words)
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return carry_out


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "1e30", "a lot"])
def test_what_can_be_no_amount_is_asked_back_in_one_sentence(verb: Verb, settings: Any, amount: str) -> None:
    settings.MODE = "real"

    code, said = verb("key", "cap", "anthropic", amount)

    assert code == USAGE
    assert said.startswith(f"{amount} is no amount; write it as 2.50")


def given_up(*, is_poison: bool = False) -> Task:
    """Return a task that waits for the owner."""
    task = a_task(kind="story.check")
    Task.objects.filter(pk=task.pk).update(state=Task.State.DEAD_LETTER)
    DeadLetter.objects.create(task=task, error_class="crash", error="Killed by signal 9", is_poison=is_poison)
    return task


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_a_look_answers_in_words_and_in_json(verb: Verb, words: list[str]) -> None:
    given_up()

    code, said = verb(*words)
    json_code, data = verb(*words, "--json")

    assert (code, json_code) == (OK, OK)
    assert said.strip()
    assert isinstance(json.loads(data), list | dict)


def test_the_queue_says_why_each_task_waits(verb: Verb) -> None:
    rows = json.loads(verb("queue", "--json")[1])

    assert {row["title"]: row["why"] for row in rows}["Bring it to its users"] == "1 other task"


def test_a_task_tells_every_try_with_what_it_died_of_and_cost(verb: Verb, story: Story) -> None:
    task = story.build.tasks.get(key="core")

    told = json.loads(verb("task", task.pk.hex[-8:], "--json")[1])

    assert [(one["try"], one["state"], one["cost_usd"]) for one in told["tries"]] == [
        (1, "failed", "0.412345"),
        (2, "done", "0.618002"),
    ]
    assert "job.due is missing" in told["tries"][0]["error"]


def test_money_is_told_to_the_millionth_and_adds_up(verb: Verb) -> None:
    rows = json.loads(verb("ledger", "--json", "--at-most", "1000")[1])

    assert sum(int(row["amount_usd"].replace(".", "")) for row in rows) == Entry.objects.total_microusd()


def test_an_unknown_id_is_not_found_and_a_short_one_is_asked_back(verb: Verb) -> None:
    assert verb("task", "ffffffffffff")[0] == NOT_FOUND
    assert verb("task", "ff")[0] == USAGE
    assert verb("venture", "nosuch")[0] == NOT_FOUND


def test_an_id_that_fits_two_tasks_is_asked_back(verb: Verb, story: Story) -> None:
    first, second = (a_task(kind="story.check") for _ in range(2))
    shared = first.pk.hex[:7]
    assert second.pk.hex.startswith(shared)

    code, said = verb("task", shared)

    assert code == USAGE
    assert "more characters" in said


def test_the_owner_answers_once_by_name_and_the_second_answer_is_a_conflict(verb: Verb, story: Story) -> None:
    asked = story.waiting[0]
    part = asked.pk.hex[-8:]

    first = verb("approve", part, "--as", story.owner.username, "--json")
    second = verb("reject", part, "--as", story.owner.username)

    assert first[0] == OK
    assert second[0] == CONFLICT
    assert Decision.objects.get(request=asked).by == story.owner
    assert json.loads(verb("approval", part, "--json")[1])["answer"] == "approve"


def test_an_operator_and_a_stranger_do_not_answer(verb: Verb, story: Story) -> None:
    asked, operator = story.waiting[0], a_user(role=User.Role.OPERATOR, name="oscar")

    assert verb("approve", asked.pk.hex[-8:], "--as", operator.username)[0] == REFUSED
    assert verb("approve", asked.pk.hex[-8:], "--as", "nobody")[0] == NOT_FOUND
    assert verb("approve", asked.pk.hex[-8:])[0] == USAGE
    assert not Decision.objects.filter(request=asked).exists()


def test_a_digest_of_something_else_is_refused(verb: Verb, story: Story) -> None:
    asked = story.waiting[0]

    code, said = verb("approve", asked.pk.hex[-8:], "--as", story.owner.username, "--digest", "0" * 64)

    assert code == CONFLICT
    assert "no longer what was shown" in said


def test_a_task_that_was_given_up_is_tried_again(verb: Verb) -> None:
    task = given_up()

    assert task.title in verb("failures")[1]
    assert verb("retry", task.pk.hex[-8:])[0] == OK
    task.refresh_from_db()
    assert task.state == Task.State.READY


def test_a_poisoned_task_must_be_changed_first(verb: Verb) -> None:
    task = given_up(is_poison=True)

    refused = verb("retry", task.pk.hex[-8:])
    changed = verb("retry", task.pk.hex[-8:], "--brief", "Read the file in parts")

    assert refused[0] == CONFLICT
    assert changed[0] == OK
    task.refresh_from_db()
    assert task.brief == "Read the file in parts"


def test_a_task_is_cancelled_with_all_behind_it(verb: Verb, story: Story) -> None:
    test = story.build.tasks.get(key="test")

    verb("cancel", test.pk.hex[-8:], "--behind", "--as", story.owner.username)

    states = dict(story.build.tasks.values_list("key", "state"))
    assert (states["test"], states["deploy"]) == ("cancelled", "cancelled")
    assert test.events.latest("sequence").actor == f"owner:{story.owner.username} by cli"


def test_agent_product_and_graph_rest_and_go_on(verb: Verb, story: Story) -> None:
    graph = story.build.pk.hex[-8:]
    rest = (("agent", "rex"), ("product", "nightwatch"), ("graph", graph), ("queue", "build"))

    codes = [verb("pause", *what)[0] for what in rest]

    story.build.refresh_from_db()
    assert codes == [OK, OK, OK, OK]
    assert Agent.objects.get(name="Rex").draining_at is not None
    assert Product.objects.get(slug="nightwatch").state == "frozen"
    assert story.build.is_paused
    assert verb("pause", "product", "nightwatch")[0] == CONFLICT
    assert verb("resume", "product", "nightwatch")[0] == OK


def test_a_drain_is_ended_by_start(verb: Verb) -> None:
    verb("drain", "--within", "60")
    draining = json.loads(verb("status", "--json")[1])["state"]

    verb("start")

    assert (draining, Installation.objects.get().state) == ("draining", "running")


def test_who_typed_stands_in_the_audit_rows(verb: Verb, story: Story) -> None:
    verb("stop", "--as", story.owner.username)

    assert AuditRow.objects.get(verb="core.stop_everything").actor == f"owner:{story.owner.username} by cli"


def test_an_invitation_is_for_the_role_that_was_asked(verb: Verb) -> None:
    code, said = verb("invite", "viewer")

    assert code == OK
    assert "/join/" in said
    assert verb("invite", "king")[0] == USAGE


def test_a_node_is_admitted_with_a_key_told_once_and_shut_out(verb: Verb) -> None:
    key = json.loads(verb("node", "admit", "attic", "--json")[1])["key"]
    admitted = json.loads(verb("nodes", "--json")[1])[0]
    verb("node", "revoke", "attic")

    assert key.startswith("fn_")
    assert key not in verb("nodes", "--json")[1]
    assert admitted["state"] == "never seen"
    assert json.loads(verb("nodes", "--json")[1])[0]["state"] == "revoked"
    assert verb("node", "revoke", "nosuch")[0] == NOT_FOUND


def test_a_device_gets_a_token_and_loses_it(verb: Verb, story: Story) -> None:
    made = json.loads(verb("token", "make", "phone", "--as", story.owner.username, "--json")[1])
    revoked = verb("token", "revoke", made["id"][-8:])

    assert revoked[0] == OK
    assert json.loads(verb("tokens", "--json")[1])[0]["revoked_at"]


def test_a_setting_is_changed_checked_and_put_back(verb: Verb) -> None:
    changed = verb("set", "approvals.pause_s", "5", "--why", "thumbs")
    refused = verb("set", "approvals.pause_s", "500")
    unknown = verb("set", "nosuch", "1")
    history = json.loads(verb("setting", "approvals.pause_s", "--json")[1])
    verb("unset", "approvals.pause_s")

    assert (changed[0], refused[0], unknown[0]) == (OK, USAGE, NOT_FOUND)
    assert [(row["old"], row["value"], row["why"]) for row in history] == [(3, 5, "thumbs")]
    assert {row["name"]: row["value"] for row in json.loads(verb("settings", "--json")[1])}[
        "approvals.pause_s"
    ] == 3


@pytest.mark.parametrize("way", ["cancel", "without", "replace"])
def test_the_owner_chooses_how_work_goes_on_behind_a_task_that_was_given_up(
    verb: Verb, story: Story, way: str
) -> None:
    stuck = story.build.tasks.get(key="test")
    stuck.attempts.update(state=Attempt.State.FAILED, ended_at=timezone.now())
    Task.objects.filter(pk=stuck.pk).update(state=Task.State.DEAD_LETTER, lease=None, leased_until=None)
    DeadLetter.objects.create(task=stuck, error_class="permanent", error="no such file")
    more = ["--brief", "Another way"] if way == "replace" else []

    code, said = verb("choose", stuck.pk.hex[-8:], way, *more)

    stuck.refresh_from_db()
    assert code == OK, said
    assert stuck.title in said
    assert {"cancel": "cancelled", "without": True, "replace": "ready"}[way] in (
        stuck.state,
        stuck.is_left_out,
    )


def test_nothing_to_replace_with_is_a_conflict_and_no_json_is_asked_back(verb: Verb) -> None:
    part = given_up().pk.hex[-8:]

    assert verb("choose", part, "replace")[0] == CONFLICT
    assert verb("choose", part, "replace", "--result", "[1")[0] == USAGE
    assert verb("choose", part, "sideways")[0] == USAGE


def test_a_task_gets_another_place_in_line(verb: Verb) -> None:
    task = a_task(kind="story.check")

    assert verb("priority", task.pk.hex[-8:], "5")[0] == OK
    assert verb("priority", task.pk.hex[-8:], "500")[0] == USAGE
    task.refresh_from_db()
    assert task.priority == 5


def test_a_schedule_is_set_paused_and_forgotten(verb: Verb) -> None:
    made = verb(
        "schedule", "set", "weekly", "--cron", "0 9 * * 1", "--agent", "Scout", "--brief", "Look around"
    )
    wrong = verb(
        "schedule", "set", "odd", "--cron", "every day", "--agent", "Scout", "--brief", "Look around"
    )
    verb("schedule", "pause", "weekly")
    listed = json.loads(verb("schedules", "--json")[1])
    verb("schedule", "remove", "weekly")

    assert (made[0], wrong[0]) == (OK, USAGE)
    assert [(row["name"], row["paused"]) for row in listed] == [("weekly", True)]
    assert json.loads(verb("schedules", "--json")[1]) == []


def test_every_verb_says_what_it_does(verb: Verb) -> None:
    code, said = verb("--help")

    assert code == OK
    assert all(one[0] in said for one in LOOKS)


def test_a_switch_is_turned_and_told_on_the_command_line(verb: Verb, story: Story) -> None:
    assert verb("switch", "agent", "rex", "off", "--why", "too dear")[0] == OK
    assert verb("switch", "product", "nightwatch", "off")[0] == OK
    told = json.loads(verb("switches", "--json")[1])
    assert verb("switch", "agent", "nobody", "off")[0] == NOT_FOUND

    assert [(one["kind"], one["name"], one["reason"]) for one in told] == [
        ("agent", "Rex", "too dear"),
        ("product", "nightwatch", "by hand, on the command line"),
    ]
    story.product.refresh_from_db()
    assert story.product.state == "frozen"
    assert [verb("switch", *one, "on")[0] for one in (("agent", "rex"), ("product", "nightwatch"))] == [
        OK,
        OK,
    ]
    assert json.loads(verb("switches", "--json")[1]) == []


def test_what_calls_went_for_adds_up_to_what_they_cost(verb: Verb) -> None:
    by_task, by_model = (json.loads(verb("costs", "--by", what, "--json")[1]) for what in ("task", "model"))

    def sums(rows: list[dict[str, str]]) -> list[Decimal]:
        names = ("cost_usd", "first_usd", "retries_usd", "judges_usd")
        return [sum((Decimal(row[name]) for row in rows), Decimal()) for name in names]

    assert sums(by_task) == sums(by_model)
    assert sums(by_task)[0] == sum(sums(by_task)[1:]) > 0
    assert sums(by_task)[2] > 0
    assert verb("costs", "--by", "moon")[0] == USAGE
