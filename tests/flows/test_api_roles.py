"""Who may do what over REST, operation by operation: the table stands here, written by hand."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from core.ids import new_id
from core.models import DeviceToken, User
from core.services import found_installation
from factory.work.rules import TaskSpec
from factory.work.services import admit_node
from tests.builders import a_graph, a_user, an_agent
from tests.callers import bearer, call, device_of, document

pytestmark = pytest.mark.django_db

PEOPLE_READ: Final = [
    "agents_list",
    "agents_retrieve",
    "agents_card",
    "agents_now_read",
    "advice_list",
    "advice_retrieve",
    "approvals_list",
    "approvals_retrieve",
    "approvals_records",
    "approval_effect",
    "artifacts_list",
    "artifacts_retrieve",
    "artifacts_content",
    "audit_list",
    "audit_retrieve",
    "call_metrics_read",
    "budget_retrieve",
    "calls_list",
    "calls_retrieve",
    "dead_letters_list",
    "dead_letters_retrieve",
    "effects_list",
    "effects_retrieve",
    "events_list",
    "events_retrieve",
    "graphs_list",
    "graphs_retrieve",
    "graphs_summary",
    "health_read",
    "holds_list",
    "hooks_list",
    "hooks_retrieve",
    "holds_retrieve",
    "installation_read",
    "ledger_list",
    "ledger_retrieve",
    "limits_list",
    "limits_retrieve",
    "merges_list",
    "merges_retrieve",
    "metrics_read",
    "costs_read",
    "money_alerts_list",
    "money_alerts_retrieve",
    "models_list",
    "models_retrieve",
    "money_read",
    "nodes_list",
    "nodes_retrieve",
    "objectives_list",
    "objectives_retrieve",
    "opportunities_list",
    "opportunities_retrieve",
    "overages_list",
    "overages_retrieve",
    "places_list",
    "places_retrieve",
    "plans_list",
    "plans_retrieve",
    "quotes_list",
    "quotes_retrieve",
    "products_list",
    "products_retrieve",
    "prices_list",
    "prices_retrieve",
    "processes_list",
    "processes_retrieve",
    "product_numbers_pnl",
    "product_status",
    "queues_list",
    "queues_retrieve",
    "releases_list",
    "releases_retrieve",
    "revenue_list",
    "revenue_retrieve",
    "scans_list",
    "scans_retrieve",
    "schedules_list",
    "schedules_retrieve",
    "scopes_list",
    "scopes_retrieve",
    "settings_read",
    "sessions_list",
    "sessions_retrieve",
    "signals_list",
    "signals_retrieve",
    "switches_list",
    "switches_retrieve",
    "task_events_list",
    "task_events_retrieve",
    "tasks_list",
    "tasks_retrieve",
    "tokens_list",
    "tokens_retrieve",
    "tokens_revoke",
    "traces_retrieve",
    "turns_list",
    "turns_retrieve",
    "verdicts_list",
    "verdicts_retrieve",
    "windows_list",
    "windows_retrieve",
]
PEOPLE_AT_A_BROWSER: Final = ["tokens_create"]
WHOEVER_KEEPS_IT_RUNNING: Final = [
    "agents_pause",
    "agents_drain",
    "dead_letters_cancel",
    "dead_letters_retry",
    "graphs_cancel",
    "graphs_pause",
    "hooks_close",
    "installation_drain",
    "installation_resume",
    "installation_stop",
    "objectives_cancel",
    "products_pause",
    "queues_pause",
    "schedules_pause",
    "scopes_limit",
    "sessions_tell",
    "switches_off",
    "tasks_cancel",
    "tasks_priority",
]
THE_OWNER: Final = [
    "agents_resume",
    "switches_on",
    "queues_resume",
    "schedules_create",
    "schedules_remove",
    "schedules_resume",
    "approvals_resolve",
    "approvals_resolve_together",
    "approvals_take_back",
    "graphs_create",
    "graphs_resume",
    "hooks_create",
    "ideas_create",
    "keys_forget",
    "keys_read",
    "keys_set",
    "installation_start",
    "objectives_create",
    "prices_create",
    "products_resume",
    "settings_change",
    "settings_revert",
    "tasks_create",
    "tasks_cancel_branch",
    "tasks_continue_without",
    "tasks_replace",
]
WORKERS: Final = ["claims_create"]
WHO_CARRIES_OUT: Final = [
    "attempts_complete",
    "attempts_fail",
    "attempts_heartbeat",
    "attempts_start",
    "attempts_subtasks",
    "attempts_wait_for_children",
]

NODES: Final = ["nodes_beat", "nodes_fetch", "nodes_finish"]

VIEWER, OPERATOR, OWNER, WORKER, AGENT = "viewer", "operator", "owner", "worker", "agent"
NODE = "node"
TABLE: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(PEOPLE_READ, frozenset({VIEWER, OPERATOR, OWNER})),
    **dict.fromkeys(PEOPLE_AT_A_BROWSER, frozenset({VIEWER, OPERATOR, OWNER})),
    **dict.fromkeys(WHOEVER_KEEPS_IT_RUNNING, frozenset({OPERATOR, OWNER})),
    **dict.fromkeys(THE_OWNER, frozenset({OWNER})),
    **dict.fromkeys(NODES, frozenset({NODE})),
    **dict.fromkeys(WORKERS, frozenset({WORKER})),
    **dict.fromkeys(WHO_CARRIES_OUT, frozenset({WORKER, AGENT})),
    "me_read": frozenset({VIEWER, OPERATOR, OWNER, WORKER, AGENT}),
    "attempts_list": frozenset({VIEWER, OPERATOR, OWNER, AGENT}),
    "attempts_retrieve": frozenset({VIEWER, OPERATOR, OWNER, AGENT}),
    "approvals_create": frozenset({OPERATOR, OWNER, AGENT}),
    "approvals_withdraw": frozenset({OWNER, AGENT}),
}
BODIES: Final = {"tokens_create": {"name": "phone"}}
REFUSED: Final = {401, 403}


@dataclass(frozen=True)
class Operation:
    """One thing that can be asked for; `keys` says which parts of its address are numbers, ids and names."""

    method: str
    path: str
    keys: Mapping[str, str]

    def address(self, *, attempt: UUID) -> str:
        """Return an address at which nothing stands, or the attempt's."""
        row = attempt if self.path.startswith("/api/v1/attempts/") else new_id()
        given = {"integer": 1, "uuid": row}
        return self.path.format(**{name: given.get(sort, "nothing") for name, sort in self.keys.items()})


Operations = Mapping[str, Operation]


@pytest.fixture(scope="module")
def operations() -> Operations:
    """Return every operation by its name."""
    paths = document()["paths"]
    return {
        said["operationId"]: Operation(
            method,
            path,
            {
                one["name"]: one["schema"].get("format", one["schema"]["type"])
                for one in said["parameters"]
                if one["in"] == "path"
            }
            if "parameters" in said
            else {},
        )
        for path, methods in paths.items()
        for method, said in methods.items()
    }


@pytest.fixture
def attempt(db: None) -> tuple[Client, Client, UUID]:
    """Return a worker, the agent at work, and the attempt they carry out."""
    found_installation("rehearsal")
    an_agent("Rex")
    a_graph(TaskSpec(key="only", title="Write", type="write", agent="Rex"))
    worker = device_of(a_user(), role=WORKER)
    told = call(worker, "tasks/claim").json()
    return worker, bearer(told["token"]), UUID(told["id"])


def outcome(client: Client, name: str, operation: Operation, *, attempt: UUID) -> int:
    """Return the status of one call, and undo what it did."""
    body = (json.dumps(BODIES.get(name, {})), "application/json") if operation.method == "post" else ()
    with transaction.atomic():
        answer = client.generic(operation.method.upper(), operation.address(attempt=attempt), *body)
        transaction.set_rollback(True)
    return answer.status_code


def matrix(client: Client, operations: Operations, *, attempt: UUID) -> set[str]:
    """Return the operations that this caller may use."""
    return {
        name
        for name, operation in operations.items()
        if outcome(client, name, operation, attempt=attempt) not in REFUSED
    }


def named(role: str) -> set[str]:
    """Return what the table allows to this role."""
    return {name for name, roles in TABLE.items() if role in roles}


def test_the_table_names_every_operation(operations: Operations) -> None:
    assert TABLE.keys() == operations.keys()


@pytest.mark.parametrize("role", [VIEWER, OPERATOR, OWNER])
def test_people_may_what_the_table_says(
    role: str, operations: Operations, attempt: tuple[Client, Client, UUID], settings: Any
) -> None:
    settings.API_CALLS_PER_MINUTE = 10_000
    person = a_user(role=role)
    browser = Client()
    browser.force_login(person)

    assert matrix(browser, operations, attempt=attempt[2]) == named(role)
    assert matrix(device_of(person), operations, attempt=attempt[2]) == named(role) - set(PEOPLE_AT_A_BROWSER)


@pytest.mark.parametrize("role", [VIEWER, OPERATOR])
def test_a_device_of_the_owner_may_no_more_than_its_own_role(
    role: str, operations: Operations, attempt: tuple[Client, Client, UUID], settings: Any
) -> None:
    settings.API_CALLS_PER_MINUTE = 10_000
    device = device_of(a_user(), role=role)

    assert matrix(device, operations, attempt=attempt[2]) == named(role) - set(PEOPLE_AT_A_BROWSER)


def test_workers_and_agents_may_what_the_table_says(
    operations: Operations, attempt: tuple[Client, Client, UUID], settings: Any
) -> None:
    settings.API_CALLS_PER_MINUTE = 10_000
    worker, agent, its_attempt = attempt

    assert matrix(worker, operations, attempt=its_attempt) == named(WORKER)
    assert matrix(agent, operations, attempt=its_attempt) == named(AGENT)


def test_a_node_may_its_three_verbs_and_nothing_else(
    operations: Operations, attempt: tuple[Client, Client, UUID], settings: Any
) -> None:
    settings.API_CALLS_PER_MINUTE = 10_000
    _, key = admit_node("basement", by="owner:ada")

    assert matrix(bearer(key), operations, attempt=attempt[2]) == named(NODE)


def test_an_agent_speaks_for_no_attempt_but_its_own(attempt: tuple[Client, Client, UUID]) -> None:
    _, agent, its_attempt = attempt
    a_graph(TaskSpec(key="only", title="Write more", type="write", agent="Rex"))
    an_agent("Pixel")
    a_graph(TaskSpec(key="only", title="Draw", type="write", agent="Pixel"))
    other = call(device_of(a_user(), role=WORKER), "tasks/claim").json()["id"]

    refused = call(agent, f"attempts/{other}/start")

    assert (refused.status_code, refused.json()["code"]) == (403, "NOT_YOURS")
    assert agent.get(f"/api/v1/attempts/{other}/").status_code == 404
    assert [one["id"] for one in agent.get("/api/v1/attempts/").json()["results"]] == [str(its_attempt)]


@pytest.mark.parametrize(
    "change",
    [
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"token_sha256": "0" * 64},
    ],
    ids=["revoked", "too old", "unknown"],
)
def test_an_ended_token_and_a_stranger_may_nothing(
    change: dict[str, Any], operations: Operations, attempt: tuple[Client, Client, UUID]
) -> None:
    device = device_of(a_user())
    DeviceToken.objects.filter(role=OWNER).update(**change)

    assert matrix(device, operations, attempt=attempt[2]) == set()
    assert matrix(Client(), operations, attempt=attempt[2]) == set()


def test_an_agent_s_token_ends_with_its_attempt(
    operations: Operations, attempt: tuple[Client, Client, UUID], settings: Any
) -> None:
    worker, agent, its_attempt = attempt
    call(agent, f"attempts/{its_attempt}/start")
    call(worker, f"attempts/{its_attempt}/fail", error="no", error_class="permanent")

    assert matrix(agent, operations, attempt=its_attempt) == set()


def test_who_left_may_nothing(operations: Operations, attempt: tuple[Client, Client, UUID]) -> None:
    owner = a_user()
    device = device_of(owner)
    User.objects.filter(pk=owner.pk).update(is_active=False)

    assert matrix(device, operations, attempt=attempt[2]) == set()
