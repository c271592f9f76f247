"""What is refused at the door: in the words of the protocol, once, and with no row but the audit of it."""

from datetime import timedelta
from typing import Any

import httpx
from django.utils import timezone

from agents.gateway.errors import CostUnbounded
from agents.gateway.models import Call
from agents.roster.services import revoke_tokens, switch_agent
from billing.models import Hold
from core.adapters.tls import trusted
from core.models import AuditRow
from tests.agents.gateway.door.conftest import Begin
from tests.builders import an_agent
from tests.faults.client import Faults

HELLO = [{"role": "user", "content": "Hello"}]
CHAT = {"model": "gpt-5.2", "messages": HELLO, "max_completion_tokens": 50}
MESSAGES = {"model": "claude-sonnet-4-5", "messages": HELLO, "max_tokens": 50}
NOW = timezone.now()
ENDS = [NOW - timedelta(seconds=1), NOW + timedelta(hours=1), NOW + timedelta(hours=1)]
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("/v1/chat/completions", {"max_completion_tokens": None}, "BAD_ASK"),
    ("/v1/chat/completions", {"max_completion_tokens": -5}, "BAD_ASK"),
    ("/v1/chat/completions", {"max_completion_tokens": 0}, "BAD_ASK"),
    ("/v1/chat/completions", {"max_completion_tokens": 10**30}, "BAD_ASK"),
    ("/v1/chat/completions", {"max_completion_tokens": True}, "BAD_ASK"),
    ("/v1/chat/completions", {"max_completion_tokens": "50"}, "BAD_ASK"),
    ("/v1/chat/completions", {"max_tokens": -1}, "BAD_ASK"),
    ("/v1/chat/completions", {"n": -1}, "BAD_ASK"),
    ("/v1/chat/completions", {"n": 10_000}, "BAD_ASK"),
    ("/v1/chat/completions", {"model": "gpt-9"}, "MODEL_UNKNOWN"),
    ("/v1/chat/completions", {"model": None}, "BAD_ASK"),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": [7]}]}, "BAD_ASK"),
    ("/v1/chat/completions", {"service_tier": "priority"}, "COST_UNBOUNDED"),
    ("/v1/chat/completions", {"web_search_options": {}}, "COST_UNBOUNDED"),
    ("/v1/chat/completions", {"tools": [{"type": "web_search"}]}, "COST_UNBOUNDED"),
    ("/v1/chat/completions", {"tools": [{"google_search": {}}]}, "COST_UNBOUNDED"),
    ("/v1/messages", {"max_tokens": None}, "BAD_ASK"),
    ("/v1/messages", {"max_tokens": -1}, "BAD_ASK"),
    ("/v1/messages", {"model": "claude-9"}, "MODEL_UNKNOWN"),
    ("/v1/messages", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "COST_UNBOUNDED"),
    ("/v1/messages", {"speed": "fast"}, "COST_UNBOUNDED"),
    ("/v1/messages", {"context_management": {"edits": [{"type": "compact_20260112"}]}}, "COST_UNBOUNDED"),
]


def test_a_request_that_makes_no_sense_or_has_no_bound_is_refused(begin: Begin, faults: Faults) -> None:
    run = begin()

    for path, wrong, code in WRONG:
        body = {**(MESSAGES if path == "/v1/messages" else CHAT), **wrong}
        answer = run.post(path, **{name: value for name, value in body.items() if value is not None})
        assert refused(answer, path) == code, wrong

    assert_nothing_was_called(faults)
    rows = AuditRow.objects.filter(verb="gateway.refuse_call", actor="agent:Rex", outcome="denied")
    assert sorted(row.facts["code"] for row in rows) == sorted(code for _, _, code in WRONG)


def test_what_only_names_something_the_provider_keeps_is_refused_whoever_it_says_to_be(
    begin: Begin, faults: Faults
) -> None:
    run, kept = begin(), {"type": "item_reference", "id": "msg_1"}

    for item in (kept, {**kept, "role": "user"}):
        answer = run.post("/v1/responses", model="gpt-5.2", max_output_tokens=50, input=[item])
        assert refused(answer, "/v1/responses") == "COST_UNBOUNDED"
    said = {"type": "message", "role": "user", "content": "Hello"}
    assert run.post("/v1/responses", model="gpt-5.2", max_output_tokens=50, input=[said]).status_code == 200


def refused(answer: httpx.Response, path: str) -> str:
    """Return the code of a refusal, once its shape is right."""
    assert (answer.status_code, answer.headers["x-should-retry"]) == (400, "false"), answer.text
    told = answer.json()
    assert (told.get("type") == "error") == path.startswith("/v1/messages")
    assert told["error"]["message"]
    return str(told["error"]["code"])


def assert_nothing_was_called(faults: Faults) -> None:
    """No call, no hold, and no byte at the provider."""
    assert (Call.objects.count(), Hold.objects.count(), faults.calls()) == (0, 0, [])


NO_OBJECTS = [
    b"", b"[]", b"{", b'{"model": "gpt-5.2", "n": NaN}', b"\xff\xfe", b"[" * 100_000, b'{"model": "gpt-5.2",}',
    b'{"model": "claude-sonnet-4-5", "max_tokens": 5, "messages": [], "max_tokens": 64000}',
    b'{"model": "claude-sonnet-4-5", "max_tokens": 5, "thinking": {"budget_tokens": 1, "budget_tokens": 9}}',
]  # fmt: skip


def test_what_is_no_json_object_or_names_a_thing_twice_is_refused(begin: Begin, faults: Faults) -> None:
    run = begin()

    answers = [
        httpx.post(f"{run.site}/v1/messages", content=raw, headers=run.headers, timeout=60, verify=trusted())
        for raw in NO_OBJECTS
    ]

    assert {refused(answer, "/v1/messages") for answer in answers} == {"BAD_ASK"}
    assert_nothing_was_called(faults)


def test_a_token_that_opens_nothing_is_refused(begin: Begin, faults: Faults) -> None:
    agents = [an_agent(name) for name in ("Rex", "Kev", "Hawk")]
    late, over, off = (begin(agent=agent, expires_at=ends) for agent, ends in zip(agents, ENDS, strict=True))
    revoke_tokens(over.assignment.id)
    switch_agent(off.agent.name, is_enabled=False, by="owner")
    tokens = ["", "x", late.assignment.token, late.token, over.token, off.token]

    answers = [
        httpx.post(
            f"{late.site}/v1/messages",
            json=MESSAGES,
            headers={"x-api-key": token},
            timeout=60,
            verify=trusted(),
        )
        for token in tokens
    ]

    assert {refused(answer, "/v1/messages") for answer in answers} == {"TOKEN_ENDED"}
    assert_nothing_was_called(faults)
    rows = AuditRow.objects.filter(verb="gateway.refuse_call")
    assert [row.actor for row in rows] == ["agent:unknown"] * len(tokens)


def test_an_engines_token_opens_no_other_door(begin: Begin) -> None:
    run = begin()

    assert (
        httpx.get(f"{run.site}/api/v1/tasks/", headers=run.headers, timeout=60, verify=trusted()).status_code
        == 401
    )


def test_a_model_that_is_not_on_the_list_is_refused_and_not_shown(begin: Begin, faults: Faults) -> None:
    run = begin(models=("claude-sonnet-4-5",))

    answer = run.post("/v1/chat/completions", **CHAT)

    assert refused(answer, "/v1/chat/completions") == "MODEL_FORBIDDEN"
    shown = httpx.get(f"{run.site}/v1/models", headers=run.headers, timeout=60, verify=trusted()).json()[
        "data"
    ]
    assert [model["id"] for model in shown] == ["claude-sonnet-4-5"]
    assert_nothing_was_called(faults)


def test_a_full_cap_is_named_with_what_is_left_and_when_it_resets(begin: Begin, faults: Faults) -> None:
    run = begin(cap_microusd=10)

    answer = run.post("/v1/messages", **MESSAGES)

    assert refused(answer, "/v1/messages") == "BUDGET_EXCEEDED"
    error = answer.json()["error"]
    assert error["type"] == "billing_error"
    assert error["facts"].keys() >= {"layer", "needed", "left", "resets_at"}
    assert "engine run" in error["message"]
    assert_nothing_was_called(faults)


def test_what_only_leaves_out_parts_of_a_conversation_goes_on(begin: Begin, faults: Faults) -> None:
    edits = [{"type": "clear_thinking_20251015", "keep": "all"}, {"type": "clear_tool_uses_20250919"}]

    answer = begin().post("/v1/messages", **MESSAGES, context_management={"edits": edits})

    assert answer.status_code == 200


def test_an_address_that_is_no_door_is_refused_in_the_protocols_words(begin: Begin) -> None:
    run = begin()

    assert refused(run.post("/v1/images/generations", prompt="x"), "/v1/images/generations") == "BAD_ASK"


def test_a_tool_of_the_makers_own_is_named_and_so_is_what_to_do_about_it(begin: Begin) -> None:
    answer = begin().post("/v1/responses", model="gpt-5.2", input="Hello", tools=[{"type": "web_search"}])

    words = answer.json()["error"]["message"]
    assert "web_search" in words
    assert CostUnbounded.advice in words
