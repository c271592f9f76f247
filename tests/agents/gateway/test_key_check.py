"""A key is proved by one small call, and only then kept; whatever goes wrong is said in plain words."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from agents.gateway import jobs
from agents.gateway.adapters.keyring import key_of
from agents.gateway.adapters.transport import hang_up
from agents.gateway.errors import (
    AddressUnusable,
    KeyRefused,
    ListUnreadable,
    MakerBusy,
    MakerSilent,
    OnlyRehearsed,
    PriceKnown,
)
from agents.gateway.models import Call, ModelEntry, Price, Provider, ProviderKey
from agents.gateway.services import sync_prices
from agents.gateway.services.catalogue import forget, price_of, tariffs_on
from agents.gateway.services.key_check import prove_address, prove_key
from agents.gateway.services.makers import enter_price, standings
from agents.gateway.services.routes import routes_for
from billing.models import Entry, Hold
from billing.services import start_small
from core.errors import BadArguments, FactoryError, NotFound
from core.models import AuditRow, Installation
from core.services import business_now, found_installation
from tests.builders import a_scope, an_ask
from tests.faults.client import Faults
from tests.faults.play import Play

KEY = "sk-ant-real-looking-0123456789-WXYZ"
BY = "owner:ada"


@pytest.fixture
def maker(server: Faults, transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[Faults]:
    settings.MODEL_KEYS, settings.HOME, settings.BOX_KEY = {}, tmp_path, ""
    server.reset()
    server.offer("claude-haiku-4-5-20251001", "claude-sonnet-4-5", "claude-vision-trial")
    found_installation("real")
    sync_prices()
    start_small()
    Provider.objects.update(base_url=server.url)
    yield server
    hang_up()


def states(provider: str) -> dict[str, str]:
    return {one.model: one.state for one in standings() if one.provider == provider}


def test_one_call_under_a_tenth_of_a_cent_proves_a_key_and_is_held_booked_and_labelled(maker: Faults) -> None:
    proof = prove_key("anthropic", KEY, by=BY)

    call = Call.objects.get()
    assert (proof.model, proof.said, proof.offered) == ("claude-haiku-4-5", "Hello.", 3)
    assert 0 < proof.cost_microusd < 1_000
    assert (call.task_type, call.status, call.cost_microusd) == ("key_check", "answered", proof.cost_microusd)
    assert Entry.objects.get(call_id=call.pk).amount_microusd == proof.cost_microusd
    assert Hold.objects.get(call_id=call.pk).state != "held"
    assert key_of("anthropic") == KEY
    assert Provider.objects.get(name="anthropic").proved_at is not None


def test_the_models_are_those_of_the_key_and_each_says_why_it_may_not_be_used(maker: Faults) -> None:
    prove_key("anthropic", KEY, by=BY)

    shown = states("anthropic")
    assert shown["claude-haiku-4-5"] == "ready"
    assert shown["claude-sonnet-4-5"] == "ready"
    assert shown["claude-opus-4-6"] == "not_in_key"
    assert shown["claude-vision-trial"] == "no_price"
    assert set(states("openai").values()) == {"no_key"}


def test_a_model_is_called_once_its_owner_knows_its_price(maker: Faults) -> None:
    prove_key("anthropic", KEY, by=BY)

    price = enter_price(
        "anthropic", "claude-vision-trial", input_usd=Decimal(2), output_usd=Decimal(8), tier="mid", by=BY
    )

    assert states("anthropic")["claude-vision-trial"] == "ready"
    assert (price.input_microusd, price.output_microusd) == (2_000_000, 8_000_000)
    for known in ("claude-haiku-4-5", "claude-haiku-4-5-20251001"):
        with pytest.raises(PriceKnown):
            enter_price("anthropic", known, input_usd=Decimal(0), output_usd=Decimal(0), by=BY)
    with pytest.raises(NotFound):
        enter_price("anthropic", "no-such", input_usd=Decimal(1), output_usd=Decimal(1), tier="mid", by=BY)


def priced(model: str, input_usd: str, output_usd: str, **said: Any) -> ModelEntry:
    """Say what a model of Anthropic costs and return its row."""
    told = {"input_usd": Decimal(input_usd), "output_usd": Decimal(output_usd), "by": BY, **said}
    return enter_price("anthropic", model, **told).model


def costs(model: ModelEntry) -> tuple[int, int]:
    """What it costs today."""
    tariff = tariffs_on(business_now().date())[model.pk]
    return tariff.input, tariff.output


def test_a_mistyped_price_is_entered_anew_and_the_newest_counts(maker: Faults) -> None:
    prove_key("anthropic", KEY, by=BY)
    model = priced("claude-vision-trial", "0.20", "0.80", tier="premium")
    before = costs(model)

    again = priced("claude-vision-trial", "2", "8")

    assert (before, costs(model)) == ((200_000, 800_000), (2_000_000, 8_000_000))
    assert again.tier == "premium"
    assert list(Price.objects.filter(model=model).values_list("input_microusd", "entered_by").order_by("pk")) == [
        (200_000, BY), (2_000_000, BY),
    ]  # fmt: skip
    billed = price_of("anthropic", "claude-vision-trial", mode="real", day=business_now().date())
    assert billed is not None
    assert billed.input == 2_000_000


@pytest.mark.parametrize("day", ["2026-01-01", "today"])
def test_the_price_table_wins_over_what_a_person_entered(maker: Faults, table: Path, day: str) -> None:
    prove_key("anthropic", KEY, by=BY)
    model = priced("claude-vision-trial", "0.20", "0.80")
    since = str(business_now().date()) if day == "today" else day
    line = f"  - {{model: claude-vision-trial, valid_from: {since}, input: 2, output: 8, cached: 0.2, cache_write: 2.5}}\n"
    row = "  - {provider: anthropic, name: claude-vision-trial, tier: mid, window: 200_000, output: 64_000, can: [tools, json]}\n"
    table.write_text(table.read_text().replace("\nprices:\n", f"{row}\nprices:\n{line}"))

    sync_prices(table)
    sync_prices(table)

    assert costs(model) == (2_000_000, 8_000_000)
    with pytest.raises(PriceKnown, match="price table"):
        priced("claude-vision-trial", "0.1", "0.1")


def test_a_model_its_owner_priced_can_hold_what_hosted_models_hold(maker: Faults) -> None:
    prove_key("anthropic", KEY, by=BY)
    model = priced("claude-vision-trial", "2", "8", tier="frontier")
    ModelEntry.objects.exclude(pk=model.pk).update(is_enabled=False)
    forget()

    ask = an_ask(text="word " * 6_000, scopes=(a_scope(life=9_000_000).id,), max_tokens=50_000)
    route = routes_for(ask)[0].route

    assert (model.window_tokens, model.max_output_tokens) == (128_000, 8_192)
    assert route.model == model
    assert json.loads(route.body)["max_tokens"] == 8_192
    assert route.bound_microusd >= 8 * 8_192


def test_its_owner_says_what_a_model_holds_and_writes_and_a_new_price_alone_leaves_that(
    maker: Faults,
) -> None:
    prove_key("anthropic", KEY, by=BY)
    told = priced("claude-vision-trial", "2", "8", window_tokens=50_000, longest_tokens=2_000)
    later = priced("claude-vision-trial", "3", "9")
    shown = next(one for one in standings() if one.model == "claude-vision-trial")

    assert (told.window_tokens, told.max_output_tokens) == (50_000, 2_000)
    assert (later.window_tokens, later.max_output_tokens) == (50_000, 2_000)
    assert (shown.window_tokens, shown.longest_tokens, shown.may_price) == (50_000, 2_000, True)
    for lengths in ({"window_tokens": 10}, {"window_tokens": 4_000, "longest_tokens": 5_000}):
        with pytest.raises(BadArguments):
            priced("claude-vision-trial", "3", "9", **lengths)


def test_where_even_the_cheapest_word_is_too_dear_nobody_is_called_and_the_list_proves_the_key(
    maker: Faults,
) -> None:
    maker.offer("claude-fable-5")

    proof = prove_key("anthropic", KEY, by=BY)

    assert (proof.model, proof.too_dear, proof.offered, proof.cost_microusd) == ("", "claude-fable-5", 1, 0)
    assert "could cost more than $0.001" in proof.words
    assert not Call.objects.exists()
    assert not maker.calls()
    assert key_of("anthropic") == KEY
    assert states("anthropic")["claude-fable-5"] == "ready"


@pytest.mark.parametrize(
    ("play", "refusal", "words"),
    [
        (Play(status=401), KeyRefused, "does not take this key"),
        (Play(status=403), KeyRefused, "does not take this key"),
        (Play(status=429, retry_after="7"), MakerBusy, "seconds: 7"),
        (Play(status=429), MakerBusy, "asks to wait"),
        (Play(status=500), MakerSilent, "Nobody answers"),
        (Play(fault="slam"), MakerSilent, "Nobody answers"),
    ],
)
def test_a_call_that_fails_keeps_nothing_and_says_why(
    maker: Faults, play: Play, refusal: type[FactoryError], words: str
) -> None:
    maker.plan(replace(play, where={"path": "messages"}, times=None))

    with pytest.raises(refusal, match=words) as said:
        prove_key("anthropic", KEY, by=BY)

    assert Call.objects.get().status in ("failed", "lost")
    assert KEY not in str(said.value)
    assert not ProviderKey.objects.exists()
    assert Provider.objects.get(name="anthropic").offered is None
    assert not Hold.objects.filter(state="held").exists()


@pytest.mark.parametrize(("status", "refusal"), [(401, KeyRefused), (429, MakerBusy), (503, MakerSilent)])
def test_a_list_that_is_not_given_ends_the_check_before_any_call(
    maker: Faults, status: int, refusal: type[FactoryError]
) -> None:
    maker.always(Play(status=status))

    with pytest.raises(refusal):
        prove_key("anthropic", KEY, by=BY)

    assert not Call.objects.exists()
    assert not ProviderKey.objects.exists()


def test_a_key_the_list_refuses_is_never_called_with(maker: Faults) -> None:
    maker.admit("sk-another")

    with pytest.raises(KeyRefused):
        prove_key("anthropic", KEY, by=BY)

    assert not Call.objects.exists()
    assert not ProviderKey.objects.exists()


def test_a_key_that_fails_leaves_the_one_before_it_in_place(maker: Faults) -> None:
    prove_key("anthropic", KEY, by=BY)
    maker.admit(KEY)

    with pytest.raises(KeyRefused):
        prove_key("anthropic", "sk-a-wrong-key-0123456789", by=BY)

    assert key_of("anthropic") == KEY
    assert prove_key("anthropic", by=BY).model == "claude-haiku-4-5"


def test_an_address_at_which_nobody_listens_is_said_to_be_silent(maker: Faults) -> None:
    Provider.objects.update(base_url="http://127.0.0.1:9")

    with pytest.raises(MakerSilent, match="Nobody answers at this address"):
        prove_key("anthropic", KEY, by=BY)


def test_an_own_machine_needs_no_key_and_its_models_cost_nothing(maker: Faults) -> None:
    maker.offer("qwen3-8b.gguf")

    proof = prove_address("attic", f"{maker.url}/v1/", by=BY)

    attic = Provider.objects.get(name="attic")
    assert (proof.model, proof.cost_microusd) == ("qwen3-8b.gguf", 0)
    assert (attic.base_url, attic.is_enabled, attic.needs_key) == (maker.url, True, False)
    assert states("attic") == {"qwen3-8b.gguf": "ready"}
    assert ModelEntry.objects.get(provider=attic).tier == "local"
    assert Call.objects.get().status == "answered"


LOCKED = Play(status=401, where={"path": "completions"}, times=None)


def test_an_own_machine_that_lists_openly_and_answers_with_a_key_only_is_added_with_its_key(
    maker: Faults,
) -> None:
    maker.offer("qwen3-8b")
    maker.plan(LOCKED)
    with pytest.raises(KeyRefused):
        prove_address("attic", maker.url, by=BY)
    left = states("attic")
    refused_is_free = Price.objects.filter(model__provider="attic").exists()
    maker.reset()
    maker.offer("qwen3-8b")

    proof = prove_address("attic", maker.url, KEY, by=BY)

    attic = Provider.objects.get(name="attic")
    assert set(left.values()) == {"no_key"}
    assert not refused_is_free
    assert (proof.model, attic.needs_key, attic.is_enabled, key_of("attic")) == ("", True, True, KEY)
    assert states("attic") == {"qwen3-8b": "no_price"}


def test_a_maker_of_ones_own_moves_to_another_address_once_that_is_proved(maker: Faults) -> None:
    maker.offer("qwen3-8b")
    moved = maker.url.replace("127.0.0.1", "localhost")
    prove_address("attic", maker.url, by=BY)
    maker.plan(LOCKED)
    with pytest.raises(KeyRefused):
        prove_address("attic", moved, by=BY)
    stayed = Provider.objects.get(name="attic").base_url
    maker.reset()
    maker.offer("qwen3-8b")

    prove_address("attic", moved, by=BY)

    assert (stayed, Provider.objects.get(name="attic").base_url) == (maker.url, moved)
    assert states("attic") == {"qwen3-8b": "ready"}
    assert AuditRow.objects.filter(verb="gateway.move_maker", subject="attic").count() == 1


def test_what_cost_nothing_without_a_key_has_no_price_once_its_maker_takes_one(maker: Faults) -> None:
    maker.offer("qwen3-8b")
    prove_address("attic", maker.url, by=BY)
    free = maker.calls()

    proof = prove_address("attic", maker.url, KEY, by=BY)

    assert proof.model == ""
    assert maker.calls() == free
    assert states("attic") == {"qwen3-8b": "no_price"}
    enter_price("attic", "qwen3-8b", input_usd=Decimal(1), output_usd=Decimal(2), by=BY)
    assert costs(ModelEntry.objects.get(provider="attic")) == (1_000_000, 2_000_000)


def test_a_key_is_forgotten_when_its_maker_moves_to_where_none_is_asked_for(maker: Faults) -> None:
    maker.offer("house-model")
    prove_address("house", maker.url, KEY, by=BY)
    enter_price("house", "house-model", input_usd=Decimal(1), output_usd=Decimal(2), by=BY)

    prove_address("house", maker.url.replace("127.0.0.1", "localhost"), by=BY)

    assert key_of("house") == ""
    assert not ProviderKey.objects.exists()
    assert costs(ModelEntry.objects.get(provider="house")) == (1_000_000, 2_000_000)


def test_another_address_with_a_key_lists_its_models_and_waits_for_their_prices(maker: Faults) -> None:
    maker.offer("house-model")

    proof = prove_address("house", maker.url, KEY, by=BY)

    assert (proof.model, proof.offered) == ("", 1)
    assert not Call.objects.exists()
    assert states("house") == {"house-model": "no_price"}
    enter_price("house", "house-model", input_usd=Decimal(1), output_usd=Decimal(2), tier="budget", by=BY)
    assert prove_key("house", by=BY).model == "house-model"


def test_an_address_that_never_answered_is_not_kept(maker: Faults) -> None:
    with pytest.raises(MakerSilent):
        prove_address("attic", "http://127.0.0.1:9", by=BY)

    assert not Provider.objects.filter(name="attic").exists()


@pytest.mark.parametrize(
    "address",
    [
        "ftp://example.com", "example.com", "https://user:word@example.com", "https://example.com/v1?key=1",
        "http://example.com", "http://169.254.169.254", "http://[::]:80", "http://0.0.0.0:1", "https://", "http://x:y",
    ],
)  # fmt: skip
def test_what_can_be_no_address_is_refused_before_anybody_is_asked(maker: Faults, address: str) -> None:
    with pytest.raises(AddressUnusable):
        prove_address("attic", address, by=BY)

    assert not Provider.objects.filter(name="attic").exists()


@pytest.mark.parametrize("name", ["anthropic", "A B", "x", "../etc"])
def test_a_name_that_is_taken_or_none_is_refused(maker: Faults, name: str) -> None:
    with pytest.raises(AddressUnusable):
        prove_address(name, maker.url, by=BY)


def test_what_lists_no_models_is_no_model_maker(maker: Faults) -> None:
    with pytest.raises(ListUnreadable):
        prove_address("attic", f"{maker.url}/_totals", by=BY)


def test_a_rehearsal_takes_no_key(maker: Faults) -> None:
    Installation.objects.update(mode="rehearsal")

    with pytest.raises(OnlyRehearsed):
        prove_key("anthropic", KEY, by=BY)

    assert not ProviderKey.objects.exists()


def test_once_a_day_the_list_of_every_key_is_read_and_no_model_is_called(
    maker: Faults, settings: Any
) -> None:
    settings.MODEL_KEYS = {"anthropic": KEY}
    before = states("anthropic")

    jobs.read_lists()

    after = states("anthropic")
    assert (before["claude-haiku-4-5"], after["claude-haiku-4-5"]) == ("unseen", "ready")
    assert after["claude-vision-trial"] == "no_price"
    assert set(states("openai").values()) == {"no_key"}
    assert not Call.objects.exists()
    assert not maker.calls()


def test_a_list_that_cannot_be_read_or_is_empty_leaves_what_was_known(maker: Faults, settings: Any) -> None:
    settings.MODEL_KEYS = {"anthropic": KEY, "openai": KEY}
    jobs.read_lists()
    before = [states("anthropic"), states("openai")]

    maker.offer()
    jobs.read_lists()
    Provider.objects.filter(name="anthropic").update(base_url="http://127.0.0.1:9")
    maker.always(Play(status=401))
    jobs.read_lists()

    assert [states("anthropic"), states("openai")] == before
    assert Provider.objects.filter(name="anthropic", is_enabled=True).exists()


@pytest.mark.parametrize("is_real", [True, False])
def test_no_list_is_read_in_a_rehearsal_or_while_everything_is_stopped(
    maker: Faults, settings: Any, *, is_real: bool
) -> None:
    settings.MODEL_KEYS = {"anthropic": KEY}
    stopped = {"stopped_at": timezone.now()} if is_real else {"mode": "rehearsal"}
    Installation.objects.update(**stopped)

    jobs.read_lists()

    assert Provider.objects.get(name="anthropic").offered is None


def test_no_row_that_a_check_writes_holds_the_key(maker: Faults) -> None:
    prove_key("anthropic", KEY, by=BY)

    audited = str(list(AuditRow.objects.values()))
    assert "gateway.prove_key" in audited
    assert KEY[:-4] not in audited
    assert KEY[:-4] not in str(list(Call.objects.values()))


@pytest.mark.drill
def test_a_key_of_a_maker_that_litellm_speaks_to_is_proved_by_a_call_alone(maker: Faults) -> None:
    Provider.objects.filter(name="moonshot").update(base_url=f"{maker.url}/v1")

    proof = prove_key("moonshot", "some-key-of-moonshot", by=BY)

    assert (proof.offered, proof.model, proof.said) == (None, "kimi-k2.5", "Hello.")
    assert (
        states("moonshot")["kimi-k2.5"] == "unseen"
    )  # it gives out no list; a call is refused there, or not


def test_a_key_given_later_to_an_own_machine_is_kept_and_moves_nothing(maker: Faults) -> None:
    maker.offer("qwen3-8b.gguf")
    prove_address("attic", maker.url, by=BY)

    prove_key("attic", KEY, by=BY)

    assert key_of("attic") == KEY
    assert not AuditRow.objects.filter(verb="gateway.move_maker").exists()
