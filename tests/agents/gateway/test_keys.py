"""Keys of providers: sealed, used, replaced, forgotten, and never told."""

import stat
from pathlib import Path
from typing import Any

import pytest

from agents.gateway.adapters.keyring import key_of, reachable
from agents.gateway.checks import provider_caps
from agents.gateway.errors import KeyFromEnvironment, KeyUnusable
from agents.gateway.models import Provider, ProviderKey
from agents.gateway.services import sync_prices
from agents.gateway.services.keys import forget_key, keys_shown, note_own_cap, set_key, uncapped_providers
from core.errors import BadArguments, NotFound, SecretUnreadable
from core.models import AuditRow, Event
from core.services import found_installation

KEY = "sk-ant-real-looking-0123456789-WXYZ"


@pytest.fixture(autouse=True)
def ground(db: None, settings: Any, tmp_path: Path) -> None:
    settings.MODEL_KEYS, settings.HOME, settings.BOX_KEY = {}, tmp_path, ""
    found_installation("real")
    sync_prices()


def test_a_stored_key_is_used_and_stands_in_no_row_in_the_clear(tmp_path: Path) -> None:
    shown = set_key("anthropic", f"  {KEY}\n", by="owner:ada")

    assert key_of("anthropic") == KEY
    assert (shown.source, shown.last_four, shown.set_by) == ("stored", "WXYZ", "owner:ada")
    assert KEY not in ProviderKey.objects.get().sealed
    assert stat.S_IMODE((tmp_path / "box_key").stat().st_mode) == 0o600
    told = f"{list(AuditRow.objects.values())}{list(Event.objects.values())}{keys_shown()}"
    assert KEY not in told
    assert KEY[:-4] not in told


def test_the_key_of_the_environment_wins_and_is_not_stored(settings: Any) -> None:
    set_key("openai", KEY, by="owner:ada")
    settings.MODEL_KEYS = {"openai": "sk-from-the-environment-4321"}

    assert key_of("openai") == "sk-from-the-environment-4321"
    with pytest.raises(KeyFromEnvironment):
        set_key("openai", KEY, by="owner:ada")
    with pytest.raises(KeyFromEnvironment):
        forget_key("openai", by="owner:ada")
    assert {one.provider: one.source for one in keys_shown()}["openai"] == "environment"


def test_a_new_key_replaces_the_old_one_and_a_forgotten_one_is_gone() -> None:
    set_key("openai", KEY, by="owner:ada")
    set_key("openai", "sk-another-key-0123456789", by="owner:ada")

    assert key_of("openai") == "sk-another-key-0123456789"
    forget_key("openai", by="owner:ada")
    forget_key("openai", by="owner:ada")
    assert key_of("openai") is None
    assert not ProviderKey.objects.exists()


def test_a_key_cannot_be_moved_to_another_provider() -> None:
    set_key("openai", KEY, by="owner:ada")
    sealed = ProviderKey.objects.get(provider="openai").sealed
    ProviderKey.objects.create(provider_id="anthropic", sealed=sealed, set_by="somebody")

    with pytest.raises(SecretUnreadable):
        key_of("anthropic")


def test_with_another_box_key_nothing_opens_and_the_refusal_says_what_to_do(settings: Any) -> None:
    set_key("openai", KEY, by="owner:ada")
    settings.BOX_KEY = "of another host"

    with pytest.raises(SecretUnreadable, match="enter it again"):
        key_of("openai")


def test_who_has_a_key_or_needs_none_is_in_reach_and_in_a_rehearsal_everybody() -> None:
    own = Provider.objects.create(
        name="own", protocol="openai", base_url="http://127.0.0.1:8080", needs_key=False
    )
    set_key("openai", KEY, by="owner:ada")

    assert reachable(mode="real") == {"openai", "own"}
    assert reachable(mode="rehearsal") == set(Provider.objects.values_list("name", flat=True))
    assert key_of(own.name) == ""


@pytest.mark.parametrize("text", ["", "   ", "two words", "ключ-ключ", "x" * 401, "sk-\x00-1234"])
def test_what_can_be_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(KeyUnusable) as refusal:
        set_key("openai", text, by="owner:ada")

    assert text.strip() == "" or text not in str(refusal.value)


def test_a_provider_that_nobody_knows_gets_no_key() -> None:
    with pytest.raises(NotFound):
        set_key("nobody", KEY, by="owner:ada")


def test_who_is_paid_by_a_key_and_has_no_cap_of_its_own_is_named_until_somebody_says_it_has_one() -> None:
    set_key("openai", KEY, by="owner:ada")
    set_key("anthropic", KEY, by="owner:ada")
    note_own_cap("openai", 300_000_000, by="owner:ada")

    assert uncapped_providers() == ["anthropic"]
    assert (provider_caps().state, "anthropic" in provider_caps().words) == ("warn", True)
    assert "openai" not in provider_caps().words
    assert "$300" in provider_caps().cure
    note_own_cap("anthropic", 1, by="owner:ada")
    assert provider_caps().state == "fine"
    note_own_cap("openai", None, by="owner:ada")
    assert uncapped_providers() == ["openai"]
    assert {one.provider: one.own_cap_microusd for one in keys_shown()}["anthropic"] == 1
    assert AuditRow.objects.filter(verb="gateway.note_own_cap").count() == 3


def test_a_cap_of_nothing_or_of_nobody_is_refused() -> None:
    with pytest.raises(BadArguments):
        note_own_cap("openai", 0, by="owner:ada")
    with pytest.raises(NotFound):
        note_own_cap("nobody", 1, by="owner:ada")
