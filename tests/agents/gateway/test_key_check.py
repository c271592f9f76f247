"""A key is proved by one small call, and only then kept; whatever goes wrong is said in plain words."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

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
from agents.gateway.models import Call, ModelEntry, Provider, ProviderKey
from agents.gateway.services import sync_prices
from agents.gateway.services.key_check import prove_address, prove_key
from agents.gateway.services.makers import enter_price, standings
from billing.models import Entry, Hold
from billing.services import start_small
from core.errors import FactoryError, NotFound
from core.models import AuditRow, Installation
from core.services import found_installation
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
    with pytest.raises(PriceKnown):
        enter_price(
            "anthropic", "claude-vision-trial", input_usd=Decimal(1), output_usd=Decimal(1), tier="mid", by=BY
        )
    with pytest.raises(NotFound):
        enter_price("anthropic", "no-such", input_usd=Decimal(1), output_usd=Decimal(1), tier="mid", by=BY)


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
        prove_address(name, f"{maker.url}/other", by=BY)


def test_what_lists_no_models_is_no_model_maker(maker: Faults) -> None:
    with pytest.raises(ListUnreadable):
        prove_address("attic", f"{maker.url}/_totals", by=BY)


def test_a_rehearsal_takes_no_key(maker: Faults) -> None:
    Installation.objects.update(mode="rehearsal")

    with pytest.raises(OnlyRehearsed):
        prove_key("anthropic", KEY, by=BY)

    assert not ProviderKey.objects.exists()


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
