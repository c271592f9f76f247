"""Hosts without a database: a key opens gpu jobs alone, a result comes under its fence, and a silent host loses them."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from core.adapters.node_line import NodeLine
from core.errors import LineRefused, NotFound
from core.models import AuditRow
from core.registry import ArtifactDraft, Assignment, Outcome, Stop, register_job, run_checks
from core.services import found_installation, stop_everything
from core.services.node import carry_out_one
from factory.work import rules
from factory.work.models import Artifact, Node, Task
from factory.work.services import (
    admit_node,
    claim_task,
    queue_node_test,
    read_admission,
    reap_leases,
    revoke_node,
    rotate_node_key,
)
from tests.builders import a_task, a_user
from tests.callers import bearer, call, device_of

MINUTES_17 = timedelta(minutes=17)


@register_job("nodes.echo", queue="gpu")
def echo(assignment: Assignment, stop: Stop) -> Outcome:
    """Give back what was brought, and a file of it."""
    said = json.dumps(assignment.inputs).encode()
    return Outcome(
        kind="done", result={"heard": assignment.brief}, artifacts=(ArtifactDraft("json", "heard", said),)
    )


@register_job("nodes.break", queue="gpu")
def breaks(assignment: Assignment, stop: Stop) -> Outcome:
    """Raise what nobody expected."""
    raise ZeroDivisionError


class Wire(httpx.BaseTransport):
    """The way from a node to the pages of this process; it can be cut."""

    def __init__(self) -> None:
        self.is_cut = False
        self._pages = Client()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one request."""
        if self.is_cut:
            raise httpx.ConnectError("cut off", request=request)
        answer = self._pages.generic(
            request.method,
            request.url.path,
            request.read(),
            "application/json",
            headers=dict(request.headers),
        )
        return httpx.Response(answer.status_code, content=answer.content)


@pytest.fixture(autouse=True)
def _ground(db: None) -> None:
    found_installation("rehearsal")


@pytest.fixture
def key() -> str:
    """Return the key of an admitted node."""
    return admit_node("attic", by="owner:ada")[1]


def a_line(key: str, *, wire: Wire | None = None) -> NodeLine:
    """Return a node's line to the factory."""
    return NodeLine("http://testserver", key=key, transport=wire or Wire())


def a_gpu_task(kind: str = "nodes.echo", **facts: Any) -> Task:
    """Return one job that waits for a node."""
    return a_task(kind=kind, brief="Say it again", **facts)


def test_a_node_carries_out_a_job_and_brings_its_result_and_files(key: str) -> None:
    task = a_gpu_task()

    did = carry_out_one(a_line(key), stop=Stop())

    task.refresh_from_db()
    attempt = task.attempts.get()
    assert did
    assert (task.state, attempt.state, attempt.result) == ("completed", "done", {"heard": "Say it again"})
    assert attempt.worker == Node.objects.get().worker
    assert Artifact.objects.get(attempt=attempt).name == "heard"


def test_a_job_that_breaks_on_a_node_is_a_failure_with_its_last_lines(key: str) -> None:
    task = a_gpu_task("nodes.break")

    carry_out_one(a_line(key), stop=Stop())

    attempt = task.attempts.get()
    assert (attempt.state, attempt.error_class) == ("failed", "crash")
    assert "ZeroDivisionError" in attempt.error


def test_a_node_gets_gpu_jobs_alone_and_nobody_else_gets_those(key: str) -> None:
    other, gpu = a_task(kind="nodes.other"), a_gpu_task()

    first, second = a_line(key).fetch(), a_line(key).fetch()
    claimed = claim_task(worker="w")

    assert first is not None
    assert first.assignment.reuse_key == gpu.pk
    assert second is None
    assert claimed is not None
    assert claimed.reuse_key == other.pk


@register_job("nodes.other")
def other(assignment: Assignment, stop: Stop) -> Outcome:
    """Work of the platform's own."""
    return Outcome(kind="done")


def test_a_job_says_neither_rights_nor_money_nor_decisions(key: str) -> None:
    a_gpu_task()

    job = call(bearer(key), "nodes/fetch").json()["job"]

    assert set(job) == {
        "id", "reuse_key", "kind", "title", "brief", "inputs", "answer_schema", "seconds", "beat_s", "last_error",
        "correlation_id",
    }  # fmt: skip


@pytest.mark.parametrize("verb", ["fetch", "beat", "finish"])
def test_without_a_nodes_key_every_door_of_nodes_is_shut(verb: str, key: str) -> None:
    revoked = admit_node("cellar", by="owner:ada")[1]
    revoke_node("cellar", by="owner:ada")
    owner = device_of(a_user())

    answers = [
        call(who, f"nodes/{verb}").status_code
        for who in (Client(), bearer("fn_guessed"), bearer(revoked), owner)
    ]

    assert answers == [403, 403, 403, 403]


@pytest.mark.parametrize("address", ["tasks", "nodes", "installation", "tokens", "audit", "agents"])
def test_a_nodes_key_opens_nothing_else(key: str, address: str) -> None:
    assert bearer(key).get(f"/api/v1/{address}/").status_code in (401, 403)


def test_a_revoked_key_is_refused_at_the_very_next_call_and_the_job_goes_to_another_node(key: str) -> None:
    task, line = a_gpu_task(), a_line(key)
    job = line.fetch()
    assert job is not None

    revoke_node("attic", by="owner:ada")

    with pytest.raises(LineRefused):
        line.finish(job.assignment.id, Outcome(kind="done"))
    with pytest.raises(LineRefused):
        line.fetch()
    task.refresh_from_db()
    assert task.state == "running"
    assert AuditRow.objects.get(verb="work.revoke_node").actor == "owner:ada"


def test_another_key_shuts_out_the_old_one_at_once(key: str) -> None:
    a_gpu_task()

    fresh = rotate_node_key("attic", by="owner:ada")

    with pytest.raises(LineRefused):
        a_line(key).fetch()
    assert a_line(fresh).fetch() is not None


def test_a_key_is_good_for_ninety_days(key: str) -> None:
    with time_machine.travel(timezone.now() + timedelta(days=91), tick=False), pytest.raises(LineRefused):
        a_line(key).fetch()


def test_a_key_is_nowhere_stored(key: str) -> None:
    rows = json.dumps([*Node.objects.values(), *AuditRow.objects.values()], default=str)

    assert key not in rows


def test_an_unknown_node_is_not_found() -> None:
    with pytest.raises(NotFound):
        revoke_node("nosuch", by="owner:ada")


def test_a_node_cannot_end_what_another_one_does(key: str) -> None:
    task = a_gpu_task()
    job = a_line(key).fetch()
    assert job is not None
    thief = a_line(admit_node("cellar", by="owner:ada")[1])

    with pytest.raises(LineRefused):
        thief.finish(job.assignment.id, Outcome(kind="done"))
    assert thief.beat(attempt_id=job.assignment.id, facts={}) is False
    task.refresh_from_db()
    assert task.state == "running"


def test_beats_keep_a_job_and_a_stop_ends_it(key: str) -> None:
    a_gpu_task()
    line = a_line(key)
    job = line.fetch()
    assert job is not None

    with time_machine.travel(timezone.now() + timedelta(seconds=80), tick=False):
        may_go_on = line.beat(attempt_id=job.assignment.id, facts={"host": "attic"})
    with time_machine.travel(timezone.now() + timedelta(seconds=160), tick=False):
        taken = reap_leases()
    stop_everything(by="owner:ada")

    assert (may_go_on, taken) == (True, 0)
    assert Node.objects.get().facts == {"host": "attic"}
    assert line.beat(attempt_id=job.assignment.id, facts={}) is False


def test_a_node_cut_off_for_17_minutes_is_refused_with_its_result_and_nothing_is_doubled(key: str) -> None:
    task, wire = a_gpu_task(), Wire()
    old = a_line(key, wire=wire)
    job = old.fetch()
    assert job is not None
    wire.is_cut = True

    with time_machine.travel(timezone.now() + MINUTES_17, tick=False):
        reap_leases()
        Task.objects.filter(pk=task.pk, state="retrying").update(state="ready", not_before=None)
        carry_out_one(a_line(key), stop=Stop())
        wire.is_cut = False
        with pytest.raises(LineRefused, match="LEASE_LOST"):
            old.finish(job.assignment.id, Outcome(kind="done", result={"heard": "too late"}))

    task.refresh_from_db()
    assert task.state == "completed"
    assert [(one.state, one.result) for one in task.attempts.order_by("n")] == [
        ("lost", None),
        ("done", {"heard": "Say it again"}),
    ]
    assert Artifact.objects.filter(attempt__task=task).count() == 1


def test_a_gpu_job_says_that_no_host_is_there_until_one_is(key: str) -> None:
    task = a_gpu_task()
    before = read_admission().refusal(task)

    a_line(key).beat(attempt_id=None, facts={})
    now = read_admission().refusal(task)
    with time_machine.travel(timezone.now() + timedelta(seconds=rules.NODE_SILENT_S + 1), tick=False):
        later = read_admission().refusal(task)

    assert (before, now, later) == ("no GPU host is there", "", "no GPU host is there")


def test_doctor_says_that_jobs_wait_for_a_host_and_that_a_key_ends_soon(key: str) -> None:
    a_gpu_task()
    before = run_checks()["work.nodes"]

    a_line(key).beat(attempt_id=None, facts={})
    now = run_checks()["work.nodes"]
    Node.objects.update(expires_at=timezone.now() + timedelta(days=3))
    later = run_checks()["work.nodes"]

    assert [one.state for one in (before, now, later)] == ["warn", "fine", "warn"]
    assert "no GPU host is there" in before.words
    assert "rotate attic" in later.cure


def test_a_result_that_is_no_result_is_refused_and_changes_nothing(key: str) -> None:
    task = a_gpu_task()
    job = call(bearer(key), "nodes/fetch").json()["job"]

    wrong = [
        {"attempt_id": job["id"], "kind": "waiting"},
        {
            "attempt_id": job["id"],
            "kind": "done",
            "artifacts": [{"kind": "json", "name": "x", "content": "%%"}],
        },
        {"attempt_id": job["id"], "kind": "done", "worker": "me"},
    ]

    assert [call(bearer(key), "nodes/finish", **said).status_code for said in wrong] == [400, 400, 400]
    task.refresh_from_db()
    assert task.state == "running"


def test_the_owner_has_a_node_tested(key: str) -> None:
    task = queue_node_test(by="owner:ada")

    carry_out_one(a_line(key), stop=Stop())

    result = task.attempts.get().result
    assert result is not None
    assert result["processors"] >= 1
    assert result["hashed_mb_per_s"] > 0
