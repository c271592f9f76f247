"""Prices, routes, retries and answers, computed."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.gateway.ports import Patience
from agents.gateway.rules import retry
from agents.gateway.rules.answers import (
    ANTHROPIC_DROPS,
    OPENAI_DROPS,
    read_answer,
    schema_name,
    wire_schema,
)
from agents.gateway.rules.money import Tariff, Usage, cost_microusd
from agents.gateway.rules.patience import longest_s
from agents.gateway.rules.retry import MAX_ATTEMPTS, Failure, next_step
from agents.gateway.rules.route import TIERS, Candidate, Intent, capable, in_order, names_of, reason_for

SONNET = Tariff(input=3_000_000, output=15_000_000, cached=300_000, cache_write=3_750_000)
ALL = frozenset({"tools", "json", "vision"})
SHELF = (
    Candidate("anthropic", "opus", "frontier", ALL, 200_000, 500),
    Candidate("anthropic", "sonnet", "premium", ALL, 200_000, 300),
    Candidate("anthropic", "haiku", "mid", ALL, 200_000, 100),
    Candidate("openai", "gpt", "frontier", ALL, 128_000, 280),
    Candidate("openai", "mini", "mid", ALL, 128_000, 40),
    Candidate("fast", "flash", "budget", ALL, 1_000_000, 10),
    Candidate("home", "coder", "local", ALL, 8_000, 0),
    Candidate("new", "unpriced", "mid", ALL, 200_000, None),
)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(0, 0), 0), (Usage(1, 0), 3), (Usage(0, 1), 15), (Usage(1_000, 100), 4_500), (Usage(1_000, 0, cached=1_000), 300),
        (Usage(1_000, 0, cache_write=1_000), 3_750), (Usage(1_000, 10, cached=400, cache_write=200), 2_220), (Usage(3, 0, cached=1), 7),
        (Usage(3, 0, cached=3), 1), (Usage(1_000_000, 64_000), 3_960_000), (Usage(1_000, 100, reasoning=90), 4_500), (Usage(1, 1), 18),
    ],
)  # fmt: skip
def test_cost_is_tokens_times_price_rounded_up_to_a_millionth_of_a_dollar(usage: Usage, cost: int) -> None:
    assert cost_microusd(usage, SONNET) == cost


@pytest.mark.parametrize(
    "usage",
    [Usage(-1, 0), Usage(0, -1), Usage(10, 0, cached=11), Usage(10, 0, cached=6, cache_write=5), Usage(10**9, 0), Usage(True, 0)],
)  # fmt: skip
def test_a_bill_that_cannot_be_true_is_seen(usage: Usage) -> None:
    assert not usage.is_plausible


@pytest.mark.parametrize(
    ("intent", "order"),
    [
        (Intent(quality="best"), "gpt sonnet opus mini haiku flash coder"),
        (Intent(quality="good"), "mini haiku sonnet flash coder"),
        (Intent(quality="acceptable"), "coder flash"),
        (Intent(quality="acceptable", tier_steps=1), "flash mini haiku coder"),
        (Intent(quality="good", tier_steps=1), "gpt sonnet opus mini haiku flash coder"),
        (Intent(quality="best", tier_steps=1), "gpt opus sonnet mini haiku flash coder"),
        (Intent(quality="best", tier_steps=9), "gpt opus sonnet mini haiku flash coder"),
        (Intent(quality="acceptable", security_sensitive=True), "gpt opus"),
        (Intent(quality="good", untrusted_input=True), "mini haiku sonnet"),
        (Intent(quality="acceptable", untrusted_input=True), "mini haiku"),
        (Intent(quality="best", not_provider="openai"), "sonnet opus haiku flash coder"),
        (Intent(quality="good", not_provider="anthropic"), "mini flash coder"),
        (Intent(quality="acceptable", model="anthropic/opus"), "opus coder flash"),
        (Intent(security_sensitive=True, not_provider="openai"), "opus"),
        (Intent(security_sensitive=True, untrusted_input=True), "gpt opus"),
    ],
)
def test_the_table_of_routes(intent: Intent, order: str) -> None:
    chosen = in_order(SHELF, intent)

    assert " ".join(c.model for c in chosen) == order
    assert in_order(reversed(SHELF), intent) == chosen


@given(st.permutations(SHELF), st.sampled_from(["best", "good", "acceptable"]), st.integers(-5, 5))
def test_untrusted_words_reach_no_cheap_model_and_secrets_only_the_best(
    shelf: list[Candidate], quality: Any, steps: int
) -> None:
    untrusted = in_order(shelf, Intent(quality=quality, untrusted_input=True, tier_steps=steps))
    secret = in_order(shelf, Intent(quality=quality, security_sensitive=True, tier_steps=steps))

    assert not {"local", "budget"} & {c.tier for c in untrusted}
    assert {c.tier for c in secret} == {"frontier"}


@pytest.mark.parametrize(
    ("there", "order"),
    [
        ("haiku sonnet opus", "haiku"), ("sonnet opus gpt", "sonnet"), ("opus gpt", "gpt opus"), ("flash haiku opus", "flash"), ("", ""),
    ],
)  # fmt: skip
def test_where_only_dearer_models_are_there_the_nearest_tier_serves(there: str, order: str) -> None:
    shelf = [one for one in SHELF if one.model in there.split()]

    chosen = in_order(shelf, Intent(quality="acceptable"))

    assert " ".join(c.model for c in chosen) == order


@given(
    st.lists(st.sampled_from(SHELF), unique=True),
    st.sampled_from(["best", "good", "acceptable"]),
    st.integers(-3, 3),
    st.booleans(),
)
def test_no_model_stands_in_for_one_of_a_cheaper_tier_and_somebody_serves_if_anybody_could(
    shelf: list[Candidate],
    quality: Any,
    steps: int,
    is_untrusted: bool,  # noqa: FBT001  drawn
) -> None:
    chosen = in_order(shelf, Intent(quality=quality, tier_steps=steps, untrusted_input=is_untrusted))
    allowed = {"mid", "premium", "frontier"} if is_untrusted else set(TIERS)

    assert bool(chosen) == any(c.tier in allowed and c.likely_microusd is not None for c in shelf)
    wanted = [c for c in chosen if reason_for(Intent(quality=quality, tier_steps=steps), c).count("cheapest")]
    top = max((TIERS.index(c.tier) for c in wanted), default=len(TIERS))
    assert all(TIERS.index(c.tier) <= top for c in chosen)


def test_who_lacks_a_capability_or_room_is_left_out() -> None:
    blind = Candidate("x", "blind", "mid", frozenset(), 10**6, 1)

    assert capable([blind], needs=frozenset({"tools"}), prompt_tokens=1) == []
    long = capable(
        [one._replace(room=10_000) for one in SHELF], needs=frozenset({"tools"}), prompt_tokens=110_000
    )
    assert {c.model for c in long} == {"opus", "sonnet", "haiku", "flash", "unpriced"}


def test_the_reason_says_what_was_wanted_and_what_stood_in() -> None:
    opus, _, haiku, *_ = SHELF

    assert reason_for(Intent(quality="best"), opus) == "best: cheapest of premium, frontier"
    assert (
        reason_for(Intent(quality="best", not_provider="openai"), haiku)
        == "best: stands in for them, not openai"
    )
    assert reason_for(Intent(security_sensitive=True), opus) == "security sensitive: frontier only"


@pytest.mark.parametrize(
    ("served", "name"),
    [
        ("gpt-5.2-2025-12-11", "gpt-5.2"), ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"), ("gpt-5.2", "gpt-5.2"),
        ("gpt-5.2-pro", "gpt-5.2-pro"), ("gpt-5.2-pro-2025-12-11", "gpt-5.2-pro"),
    ],
)  # fmt: skip
def test_a_date_in_a_name_is_no_other_model_and_a_longer_name_is(served: str, name: str) -> None:
    assert names_of(served)[-1] == name


@pytest.mark.parametrize(
    ("failures", "step"),
    [
        ([], retry.Step(0)),
        ([Failure(0, "rate_limited")], retry.Step(1)),
        ([Failure(0, "server")], retry.Step(0, 0.5)),
        ([Failure(0, "unreachable")], retry.Step(0, 0.5)),
        ([Failure(0, "server"), Failure(0, "server")], retry.Step(1)),
        ([Failure(0, "silent")], retry.Step(1)),
        ([Failure(0, "cut")], retry.Step(1)),
        ([Failure(0, "refused_us")], retry.Step(1)),
        ([Failure(0, "rate_limited"), Failure(1, "rate_limited")], None),
        ([Failure(0, "server"), Failure(0, "server"), Failure(1, "server")], None),
    ],
)
def test_what_follows_a_failure(failures: list[Failure], step: retry.Step | None) -> None:
    assert next_step(failures, providers=["a", "b"]) == step


def test_one_provider_is_waited_for_as_long_as_it_asks_within_reason() -> None:
    asked = [Failure(0, "rate_limited"), Failure(1, "rate_limited", retry_after_s=7)]

    assert next_step(asked, providers=["a", "a"]) == retry.Step(0, 7)
    assert next_step([Failure(0, "rate_limited", 30)], providers=["a"]) == retry.Step(0, 30)
    assert next_step([Failure(0, "rate_limited", 3_600)], providers=["a"]) is None
    assert next_step(asked, providers=["a", "a", "a"]) == retry.Step(0, 7)
    assert next_step([Failure(0, "rate_limited", 0)], providers=["a"]) == retry.Step(0, 0)
    assert next_step([Failure(0, "silent")], providers=["a"]) is None
    assert next_step([], providers=[]) is None


def test_a_provider_that_refused_us_twice_is_passed_over() -> None:
    refused = [Failure(0, "refused_us"), Failure(1, "refused_us")]

    assert next_step(refused[:1], providers=["a", "a", "a", "b"]) == retry.Step(1)
    assert next_step(refused, providers=["a", "a", "a", "b"]) == retry.Step(3)
    assert next_step(refused, providers=["a", "a", "a"]) is None


@given(
    st.lists(st.builds(Failure, place=st.integers(0, 1), kind=st.sampled_from(["server", "rate_limited"])))
)
def test_nobody_is_asked_more_than_three_times(failures: list[Failure]) -> None:
    step = next_step(failures, providers=["a", "a"])

    assert step is None or len(failures) < MAX_ATTEMPTS


@pytest.mark.parametrize(
    ("failures", "gone", "step"),
    [
        ([], {0}, retry.Step(1)),
        ([], {0, 1, 2}, None),
        ([Failure(0, "server")], {0}, retry.Step(1)),
        ([Failure(0, "server")], {0, 1, 2}, None),
        ([Failure(0, "rate_limited", 7)], {1, 2}, retry.Step(0, 7)),
        ([Failure(0, "rate_limited"), Failure(1, "rate_limited", 7)], {0, 2}, retry.Step(1, 7)),
        ([Failure(1, "server"), Failure(1, "server")], {2}, None),
    ],
)
def test_who_is_gone_is_passed_over_and_every_place_still_means_the_same(
    failures: list[Failure], gone: set[int], step: retry.Step | None
) -> None:
    assert next_step(failures, providers=["a", "b", "b"], gone=gone) == step


@given(
    st.lists(
        st.builds(
            Failure,
            place=st.integers(0, 3),
            kind=st.sampled_from(["server", "rate_limited", "refused_us", "silent"]),
            retry_after_s=st.sampled_from([None, 0, 5]),
        ),
        max_size=4,
    ),
    st.sets(st.integers(0, 3)),
)
def test_nobody_is_asked_who_is_gone_or_not_there(failures: list[Failure], gone: set[int]) -> None:
    step = next_step(failures, providers=["a", "a", "b", "a"], gone=gone)

    assert step is None or step.place in set(range(4)) - gone


@pytest.mark.parametrize(
    ("room", "pace", "seconds"),
    [(0, None, 60), (20, None, 61), (1_000, None, 110), (10_000, None, 560), (64_000, None, 600), (1_000, 5, 260), (1_000, 900, 110)],
)  # fmt: skip
def test_an_answer_has_a_minute_and_what_its_length_needs(
    room: int, pace: int | None, seconds: float
) -> None:
    assert longest_s(room, tokens_per_s=pace) == seconds


def test_whoever_has_less_patience_keeps_it_and_an_answer_in_one_piece_may_be_silent_until_it_is_there() -> (
    None
):
    usual, hasty = Patience(), Patience(first_token_s=1, total_s=5)

    streamed, whole = usual.for_answer(1_000), usual.for_answer(1_000, is_whole=True)

    assert (streamed.first_token_s, streamed.total_s) == (30, 110)
    assert (whole.first_token_s, whole.total_s) == (110, 110)
    assert hasty.for_answer(1_000) == hasty


def test_a_machine_of_ones_own_may_read_and_write_slowly() -> None:
    mine = Patience().for_answer(100, is_own=True)

    assert (mine.first_token_s, mine.total_s) == (600, 600)


SCHEMA: dict[str, Any] = {
    "title": "Plan of work",
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 5, "description": "short"},
        "steps": {"type": "array", "minItems": 2, "items": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}},
        "enum": {"enum": [{"properties": 1}]},
    },
    "required": ["name"],
    "$defs": {"minimum": {"type": "object", "properties": {"a": {"const": {"properties": {}}}}}},
}  # fmt: skip


def test_a_schema_goes_out_closed_complete_and_without_bounds_a_provider_refuses() -> None:
    openai, anthropic = wire_schema(SCHEMA, drops=OPENAI_DROPS), wire_schema(SCHEMA, drops=ANTHROPIC_DROPS)

    assert openai["required"] == ["name", "steps", "enum"]
    assert openai["additionalProperties"] is False
    assert openai["properties"]["name"] == {"type": "string", "description": "short (maxLength 5)"}
    assert openai["properties"]["steps"]["minItems"] == 2
    assert anthropic["properties"]["steps"]["description"] == "(minItems 2)"
    inner = anthropic["properties"]["steps"]["items"]
    assert inner["required"] == ["n"]
    assert inner["properties"]["n"] == {"type": "integer", "description": "(minimum 1)"}
    assert anthropic["properties"]["enum"] == SCHEMA["properties"]["enum"]
    assert anthropic["$defs"]["minimum"]["properties"]["a"] == {"const": {"properties": {}}}
    assert SCHEMA["required"] == ["name"]


JSON_SCHEMAS = st.recursive(
    st.sampled_from(
        [{"type": "string", "maxLength": 3}, {"type": "integer", "minimum": 0}, {"type": "boolean"}]
    ),
    lambda inner: st.one_of(
        inner.map(lambda part: {"type": "array", "items": part, "minItems": 1, "uniqueItems": True}),
        st.dictionaries(st.sampled_from(["a", "minimum", "required"]), inner, max_size=3).map(
            lambda fields: {"type": "object", "properties": fields, "required": sorted(fields)[:1]}
        ),
    ),
    max_leaves=8,
)


@given(JSON_SCHEMAS, st.sampled_from([OPENAI_DROPS, ANTHROPIC_DROPS]))
def test_what_goes_out_is_a_valid_schema_and_stays_as_it_is(
    schema: dict[str, Any], drops: frozenset[str]
) -> None:
    made = wire_schema(schema, drops=drops)

    jsonschema.Draft202012Validator.check_schema(made)
    assert wire_schema(made, drops=drops) == made


@pytest.mark.parametrize(
    ("title", "name"),
    [("Plan of work", "Plan_of_work"), ("", "answer"), ("é" * 90, "_" * 64), ("Notes", "Notes")],
)
def test_every_schema_has_a_name_that_providers_take(title: str, name: str) -> None:
    assert schema_name({"title": title}) == name


GOOD = '{"name": "abc"}'


@pytest.mark.parametrize(
    "text", [GOOD, f"  {GOOD}\n", f"Here it is:\n```json\n{GOOD}\n```\nDone.", f"```\n{GOOD}\n```"]
)
def test_an_answer_is_read_also_out_of_a_fence(text: str) -> None:
    assert read_answer(text, schema=SCHEMA) == ({"name": "abc"}, ())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not valid JSON"), ("{", "not valid JSON"), ("[]", "must be an object"), ("7", "must be an object"), ("null", "must be an object"),
        ("{}", "'name' is a required property"), ('{"name": "abcdef"}', "at $.name: 'abcdef' is too long"),
        ('{"name": "a", "steps": [{"n": 0}, {}]}', "at $.steps[0].n: 0 is less than the minimum"), ("NaN", "not valid JSON"),
        ('{"name": "a", "size": 1e999}', "1e999 is no number"), ("[" * 100_000, "nested too deep"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_answer_is_said_in_words_a_model_can_use(text: str, fault: str) -> None:
    answer, faults = read_answer(text, schema=SCHEMA)

    assert answer is None
    assert fault in faults[0]


def test_what_no_database_takes_is_replaced_in_an_answer() -> None:
    text = r'{"name": "a\u0000\ud83d\ude00\ud83d"}'

    assert read_answer(text, schema=SCHEMA) == ({"name": "a\ufffd\U0001f600\ufffd"}, ())


@given(st.text())
def test_no_text_breaks_the_reading_of_answers(text: str) -> None:
    answer, faults = read_answer(text, schema=SCHEMA)

    assert (answer is None) == bool(faults)
