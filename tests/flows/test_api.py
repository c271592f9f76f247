"""Work over REST from beginning to end: made, claimed from afar, carried out, given up, asked about, decided."""

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from core.models import AuditRow, User
from core.registry import Assignment, Outcome, Stop, register_action, register_job
from core.services import audit, change_setting, found_installation
from factory.work.models import Attempt, Task
from tests.builders import a_factory_limit, a_task, a_user, an_agent
from tests.callers import ask, asked, bearer, call, device_of

pytestmark = pytest.mark.django_db


def _refuse(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    audit(actor="test", verb="api.no", subject=str(decision_id))


@register_action("api.go", schema={"type": "object"}, on_no=_refuse)
def _go(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    audit(actor="test", verb="api.yes", subject=str(decision_id))


@register_job("api.check")
def _check(assignment: Assignment, stop: Stop) -> Outcome:
    raise NotImplementedError


@pytest.fixture
def owner(db: None) -> Client:
    found_installation("rehearsal")
    an_agent("Rex")
    return device_of(a_user(name="ada"))


@pytest.fixture
def worker(owner: Client) -> Client:
    return device_of(a_user(role=User.Role.OPERATOR), role="worker")


TWO: list[dict[str, Any]] = [
    {"key": "look", "title": "Look", "kind": "api.check"},
    {"key": "write", "title": "Write", "assignee": "Rex", "type": "write", "after": ["look"], "priority": 5},
]
QUESTION: dict[str, Any] = {
    "action": "api.go", "arguments": {}, "title": "Go?", "reason": "It is ready.", "on_yes": "It goes.", "on_no": "It stays.",
    "worst_case_microusd": 0,
}  # fmt: skip


def test_a_graph_is_made_whole_with_temporary_ids_and_runs_to_its_end(owner: Client, worker: Client) -> None:
    graph = call(owner, "graphs", title="Two steps", tasks=TWO).json()
    first = call(worker, "tasks/claim", queues=["control", "cloud"]).json()
    call(worker, f"attempts/{first['id']}/start")
    call(worker, f"attempts/{first['id']}/complete", result={"seen": 3})

    second = call(worker, "tasks/claim").json()
    rex = bearer(second["token"])
    begun = call(rex, f"attempts/{second['id']}/start")
    alive = call(rex, f"attempts/{second['id']}/heartbeat")
    content = base64.b64encode(b"words").decode()
    done = call(
        rex, f"attempts/{second['id']}/complete", result={"text": "done"},
        artifacts=[{"kind": "text", "name": "words", "content_base64": content, "media_type": "text/plain"}],
    )  # fmt: skip

    assert second["inputs"]["upstream"]["look"]["result"] == {"seen": 3}
    assert (begun.status_code, alive.status_code, done.json()["state"]) == (200, 204, "done")
    assert ask(rex, "me").status_code == 401
    assert asked(owner, f"graphs/{graph['id']}")["state"] == "completed"
    assert asked(owner, f"graphs/{graph['id']}/summary")["counts"] == {"completed": 2}
    artifact = asked(owner, f"artifacts?attempt={second['id']}")["results"][0]
    assert owner.get(f"/api/v1/artifacts/{artifact['id']}/content/").content == b"words"
    tasks = asked(owner, f"tasks?dag={graph['id']}")["results"]
    assert {(one["source"], one["created_by"]) for one in tasks} == {("human", "owner:ada on phone")}


def test_a_graph_with_a_fault_is_not_made_at_all(owner: Client) -> None:
    circle = [{**TWO[0], "after": ["write"]}, TWO[1]]
    stranger = [{**TWO[1], "after": [], "assignee": "Nobody"}]

    refused = [
        call(owner, "graphs", title="No", tasks=tasks).json()["code"] for tasks in (circle, stranger, [])
    ]

    assert refused == ["CYCLE_DETECTED", "GRAPH_REFUSED", "GRAPH_REFUSED"]
    assert Task.objects.count() == 0


def test_a_task_names_its_assignee_and_never_an_agent_who_made_it(owner: Client) -> None:
    lied = call(owner, "tasks", title="Write", agent="Rex", created_by="Kev")
    nested = call(owner, "graphs", title="No", tasks=[{**TWO[1], "after": [], "trust": 4}])

    assert (lied.json()["code"], lied.json()["facts"]["fields"]) == ("IDENTITY_IN_BODY", "agent, created_by")
    assert nested.json()["code"] == "IDENTITY_IN_BODY"
    assert AuditRow.objects.filter(verb="api.identity_in_body", outcome="denied").count() == 2
    assert Task.objects.count() == 0


def test_nothing_to_do_is_an_answer(worker: Client) -> None:
    assert call(worker, "tasks/claim").status_code == 204


def test_the_same_claim_twice_under_one_key_takes_one_task(owner: Client, worker: Client) -> None:
    a_task(agent="Rex"), a_task(agent="Rex")

    first = call(worker, "tasks/claim", once="k")
    again = call(worker, "tasks/claim", once="k")

    assert (first.status_code, again.json()["code"]) == (200, "ALREADY_TOLD")
    assert Attempt.objects.count() == 1


def test_a_late_result_is_refused_by_the_fence(owner: Client, worker: Client) -> None:
    a_task(agent="Rex")
    job = call(worker, "tasks/claim").json()
    call(worker, f"attempts/{job['id']}/start")
    call(owner, f"tasks/{job['task']}/cancel")

    late = call(worker, f"attempts/{job['id']}/complete", result={"text": "late"})

    assert (late.status_code, late.json()["code"]) == (409, "LEASE_LOST")
    assert asked(owner, f"attempts/{job['id']}")["result"] is None


def test_a_change_names_the_version_it_read(owner: Client) -> None:
    task = a_task(agent="Rex")
    read = ask(owner, f"tasks/{task.pk}")
    version = int(read["ETag"].strip('"'))

    old = call(owner, f"tasks/{task.pk}/cancel", version=version + 1)
    header = owner.post(
        f"/api/v1/tasks/{task.pk}/priority/", {"priority": 1}, content_type="application/json",
        headers={"If-Match": f'"{version + 1}"'},
    )  # fmt: skip
    fresh = call(owner, f"tasks/{task.pk}/priority", version=version, priority=7)

    assert version == read.json()["version"]
    assert [one.json()["code"] for one in (old, header)] == ["TASK_CHANGED", "TASK_CHANGED"]
    assert (fresh.status_code, fresh.json()["priority"]) == (200, 7)


def test_what_was_given_up_is_changed_and_tried_again(owner: Client, worker: Client) -> None:
    task = a_task(agent="Rex", brief="Do it.")
    job = call(worker, "tasks/claim").json()
    call(worker, f"attempts/{job['id']}/start")
    call(worker, f"attempts/{job['id']}/fail", error="It cannot be done.", error_class="permanent")
    letter = asked(owner, "dead-letters?resolution=")["results"][0]

    retried = call(owner, f"dead-letters/{letter['id']}/retry", brief="Do less.", note="smaller").json()
    twice = call(owner, f"dead-letters/{letter['id']}/retry")

    assert (letter["task"], letter["error"]) == (str(task.pk), "It cannot be done.")
    assert (retried["resolution"], retried["resolved_by"]) == ("changed", "owner:ada on phone")
    assert (asked(owner, f"tasks/{task.pk}")["state"], twice.status_code) == ("ready", 404)


def test_a_question_shows_other_ways_and_leaves_the_time_to_the_settings(owner: Client) -> None:
    change_setting("approvals.answer_hours", 2, by="owner:ada")
    more = {
        "alternatives": [{"name": "Later", "words": "On Monday."}], "is_reversible": True, "undo": "At once.",
        "worst_case_microusd": 5, "worst_case_parts": [{"words": "Refunds", "microusd": 5}],
    }  # fmt: skip

    question = call(owner, "approvals", **{**QUESTION, **more}).json()

    deadline, asked_at = (datetime.fromisoformat(question[name]) for name in ("deadline", "asked_at"))
    assert {name: question[name] for name in more} == more
    assert deadline - asked_at == timedelta(hours=2)


def test_an_agent_asks_the_owner_answers_once_and_the_effect_comes_with_the_answer(
    owner: Client, worker: Client
) -> None:
    a_task(agent="Rex")
    rex = bearer(call(worker, "tasks/claim").json()["token"])
    question = call(rex, "approvals", **QUESTION).json()
    answer: dict[str, Any] = {"answer": "approve", "digest": question["digest"]}

    own = call(rex, f"approvals/{question['id']}/resolve", **answer)
    stale = call(owner, f"approvals/{question['id']}/resolve", answer="approve", digest="0" * 64)
    yes = call(owner, f"approvals/{question['id']}/resolve", once="k", **answer)
    replayed = call(owner, f"approvals/{question['id']}/resolve", once="k", **answer)
    twice = call(owner, f"approvals/{question['id']}/resolve", **answer)

    assert question["asked_by"] == "agent:Rex"
    assert (own.status_code, stale.json()["code"], twice.json()["code"]) == (403, "STALE", "ALREADY_DECIDED")
    assert (yes.json()["state"], yes.json()["decision"]["channel"]) == ("approved", "rest")
    assert replayed.json() == yes.json()
    assert AuditRow.objects.filter(verb="api.yes").count() == 1


def test_several_questions_are_answered_together_or_not_at_all(owner: Client) -> None:
    one, two = (call(owner, "approvals", **{**QUESTION, "title": title}).json() for title in ("One?", "Two?"))
    both = [{"id": each["id"], "answer": "reject", "digest": each["digest"]} for each in (one, two)]

    refused = call(owner, "approvals/resolve-together", answers=[both[0], {**both[1], "digest": "0" * 64}])
    states = {each["state"] for each in asked(owner, "approvals")["results"]}
    taken = call(owner, "approvals/resolve-together", answers=both)

    assert (refused.status_code, states) == (409, {"pending"})
    assert [each["answer"] for each in taken.json()] == ["reject", "reject"]


def test_only_whoever_asked_or_the_owner_takes_a_question_back(owner: Client, worker: Client) -> None:
    a_task(agent="Rex")
    rex = bearer(call(worker, "tasks/claim").json()["token"])
    mine = call(rex, "approvals", **{**QUESTION, "title": "Mine?"}).json()
    theirs = call(owner, "approvals", **{**QUESTION, "title": "Theirs?"}).json()

    foreign = call(rex, f"approvals/{theirs['id']}/withdraw")
    own = call(rex, f"approvals/{mine['id']}/withdraw", reason="Not needed.")
    again = call(owner, f"approvals/{mine['id']}/withdraw")

    assert (foreign.json()["code"], own.json()["state"], again.json()["code"]) == (
        "NOT_YOURS",
        "withdrawn",
        "REQUEST_OVER",
    )


def test_a_stuck_branch_has_three_ways_on(owner: Client, worker: Client) -> None:
    tasks = [{"key": key, "title": key, "assignee": "Rex", "type": "write"} for key in ("a", "b", "c")]
    behind = [{**TWO[1], "key": f"{one['key']}2", "after": [one["key"]]} for one in tasks]
    call(owner, "graphs", title="Three branches", tasks=[*tasks, *behind])
    for _ in tasks:
        job = call(worker, "tasks/claim").json()
        call(worker, f"attempts/{job['id']}/start")
        call(worker, f"attempts/{job['id']}/fail", error="no", error_class="permanent")
    stuck = {one["key"]: one["id"] for one in asked(owner, "tasks?state=dead_letter")["results"]}

    call(owner, f"tasks/{stuck['a']}/cancel-branch", note="not needed")
    call(owner, f"tasks/{stuck['b']}/continue-without")
    call(owner, f"tasks/{stuck['c']}/replace", result={"text": "by hand"})

    states = {one["key"]: one["state"] for one in asked(owner, "tasks")["results"]}
    assert states == {
        "a": "cancelled", "a2": "cancelled", "b": "cancelled", "b2": "ready", "c": "ready", "c2": "pending",
    }  # fmt: skip


def test_an_agent_gives_its_task_children_once(owner: Client, worker: Client) -> None:
    task = a_task(agent="Rex")
    job = call(worker, "tasks/claim").json()
    rex = bearer(job["token"])
    call(rex, f"attempts/{job['id']}/start")
    parts = [
        {"key": "part", "title": "A part", "assignee": "Rex", "type": "write", "max_cost_microusd": 1_000}
    ]

    made = call(rex, f"attempts/{job['id']}/subtasks", tasks=parts)
    again = call(rex, f"attempts/{job['id']}/subtasks", tasks=parts)

    assert (made.status_code, again.json()) == (201, made.json())
    assert [one["parent"] for one in made.json()] == [str(task.pk)]


def test_an_operator_lowers_a_limit_and_only_the_owner_signed_in_raises_it(owner: Client) -> None:
    operator, browser = device_of(a_user(role=User.Role.OPERATOR)), Client()
    browser.force_login(User.objects.get(username="ada"))
    scope = str(a_factory_limit(day=5_000_000).pk)

    lower = call(operator, f"scopes/{scope}/limit", period="day", cap_microusd=4_000_000)
    higher = call(operator, f"scopes/{scope}/limit", period="day", cap_microusd=6_000_000, why="more")
    by_phone = call(owner, f"scopes/{scope}/limit", period="day", cap_microusd=6_000_000, why="more")
    raised = call(browser, f"scopes/{scope}/limit", period="day", cap_microusd=6_000_000, why="more")

    assert [one.status_code for one in (lower, higher, by_phone, raised)] == [200, 403, 403, 200]
    assert (higher.json()["code"], by_phone.json()["code"]) == ("RAISE_FORBIDDEN", "RAISE_NEEDS_LOGIN")


def test_a_very_large_raise_is_confirmed_ten_minutes_later_and_survives_the_first_refusal(
    owner: Client,
) -> None:
    browser, scope = Client(), str(a_factory_limit(day=5_000_000).pk)
    wish: dict[str, Any] = {"period": "day", "cap_microusd": 501_000_000, "why": "a launch"}
    now = timezone.now()

    def ask_after(**later: float) -> tuple[int, str]:
        with time_machine.travel(now + timedelta(**later), tick=False):
            browser.force_login(User.objects.get(username="ada"))
            answer = call(browser, f"scopes/{scope}/limit", **wish)
        return answer.status_code, answer.json().get("code", "")

    first, early, late = ask_after(), ask_after(minutes=9, seconds=59), ask_after(minutes=10)

    assert (first, early, late) == ((409, "CONFIRM_AGAIN"), (409, "CONFIRM_AGAIN"), (200, ""))


def test_a_wish_under_the_same_key_is_one_and_can_be_given_up(owner: Client) -> None:
    wish: dict[str, Any] = {"text": "Tell me when a nightly job is silent", "budget_microusd": 2_000_000}

    one, again = (call(owner, "objectives", **{**wish, "key": "w1"}).json() for _ in range(2))
    unclear = call(owner, "ideas", text="x")
    gone = call(owner, f"objectives/{one['id']}/cancel", reason="changed my mind")

    assert one["id"] == again["id"]
    assert (one["created_by"], one["state"]) == ("owner:ada on phone", "received")
    assert (unclear.status_code, unclear.json()["code"]) == (400, "IDEA_UNCLEAR")
    assert (gone.json()["state"], gone.json()["changes"][0]["actor"]) == ("cancelled", "owner:ada on phone")


def test_a_schedule_is_kept_paused_and_forgotten(owner: Client) -> None:
    week: dict[str, Any] = {
        "name": "weekly",
        "cron": "0 9 * * 1",
        "zone": "Pacific/Auckland",
        "tasks": [{**TWO[1], "after": []}],
    }

    kept = call(owner, "schedules", **week).json()
    paused = call(owner, f"schedules/{kept['id']}/pause").json()
    wrong = call(owner, "schedules", **{**week, "cron": "never"})
    removed = call(owner, f"schedules/{kept['id']}/remove")

    assert (kept["created_by"], paused["is_paused"]) == ("owner:ada on phone", True)
    assert (wrong.status_code, removed.status_code) == (400, 204)
    assert asked(owner, "schedules")["results"] == []


def test_pauses_bind_and_the_owner_ends_them(owner: Client, worker: Client) -> None:
    task = a_task(agent="Rex")

    call(owner, f"graphs/{task.dag_id}/pause")
    paused = call(worker, "tasks/claim").status_code
    call(owner, f"graphs/{task.dag_id}/resume")
    call(owner, "agents/Rex/pause")
    off = call(worker, "tasks/claim").status_code
    call(owner, "agents/Rex/resume")
    call(owner, "installation/stop")
    stopped = call(worker, "tasks/claim").status_code
    call(owner, "installation/start")

    assert (paused, off, stopped) == (204, 204, 204)
    assert call(worker, "tasks/claim").status_code == 200


def test_a_setting_is_changed_as_it_was_read(owner: Client) -> None:
    changed = call(owner, "settings/approvals.pause_s/change", value="5", version=0)
    old = call(owner, "settings/approvals.pause_s/change", value="6", version=0)
    back = call(owner, "settings/approvals.pause_s/revert", to_version=0)

    assert (changed.json()["value"], changed.json()["version"]) == ("5", 1)
    assert old.status_code == 409
    assert back.json()["value"] == "3"


def test_numbers_say_how_the_factory_works(owner: Client, worker: Client) -> None:
    a_task(agent="Rex"), a_task(agent="Rex", title="Another")
    job = call(worker, "tasks/claim").json()
    call(worker, f"attempts/{job['id']}/start")
    call(worker, f"attempts/{job['id']}/fail", error="no", error_class="permanent")

    told = asked(owner, "metrics")

    assert (told["active"], told["depth_by_queue"], told["dead_letters"]) == (0, {"cloud": 1}, 1)
    assert (told["today"]["claims"], told["today"]["failed_by_class"]) == (1, {"permanent": 1})
    assert told["today"]["claims_begun_share"] == 1.0
    assert told["wait"]["p50_s"] >= 0
