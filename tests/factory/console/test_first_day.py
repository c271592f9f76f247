"""The page of the first day in a real factory: keys, models, prices, limits; whoever may not is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents.gateway.adapters.keyring import key_of
from agents.gateway.adapters.transport import hang_up
from agents.gateway.models import ModelEntry, Provider, ProviderKey
from agents.gateway.services import sync_prices
from agents.gateway.services.key_check import prove_key
from billing.models import Limit
from billing.services import factory_scope, start_small
from core.models import AuditRow, User
from core.services import found_installation
from factory.console.services import is_set_up
from factory.quality.models import Verdict
from factory.quality.services import is_waived
from tests.builders import a_user
from tests.faults.client import Faults, faulty_provider
from tests.faults.play import Play

KEY = "sk-ant-" + "on-a-page-" + "0123456789-WXYZ"


@pytest.fixture(scope="module")
def server() -> Iterator[Faults]:
    with faulty_provider() as running:
        yield running


@pytest.fixture
def maker(server: Faults, transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[Faults]:
    settings.MODEL_KEYS, settings.HOME, settings.BOX_KEY, settings.MODE = {}, tmp_path, "", "real"
    settings.REAL_HOME = None
    server.reset()
    server.offer("claude-haiku-4-5-20251001", "claude-trial")
    found_installation("real")
    sync_prices()
    start_small()
    Provider.objects.update(base_url=server.url)
    yield server
    hang_up()


def signed_in(person: User) -> Client:
    """Return the browser of somebody."""
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def boss(maker: Faults) -> Client:
    return signed_in(a_user())


def give(person: Client, **said: str) -> Any:
    """Send a key on the page."""
    return person.post(reverse("give_key"), {"maker": "anthropic", "key": KEY, **said})


def text_of(person: Client) -> str:
    return person.get(reverse("first_day")).content.decode()


def test_a_key_is_proved_on_the_page_and_its_models_stand_there_with_what_each_costs(boss: Client) -> None:
    before = text_of(boss)

    answer = give(boss)

    page = text_of(boss)
    assert answer.status_code == 303
    assert "Until a key is set no model is asked." in before
    assert key_of("anthropic") == KEY
    assert "stored sealed, ends with WXYZ" in page
    assert "Anthropic, proved" in page
    assert "claude-haiku-4-5" in page
    assert "Refused: no price" in page
    assert "SANDBOX" not in page
    assert "a build is refused" in page
    assert KEY not in page


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (Play(status=401), "The model maker does not take this key; nothing was stored."),
        (Play(status=429), "The model maker asks to wait before it looks at this key; nothing was stored."),
    ],
)
def test_a_key_that_does_not_work_is_refused_in_plain_words_and_not_repeated(
    boss: Client, maker: Faults, play: Play, words: str
) -> None:
    maker.always(play)

    answer = give(boss)

    page = answer.content.decode()
    assert answer.status_code == (429 if play.status == 429 else 422)
    assert words in page
    assert KEY not in page
    assert not ProviderKey.objects.exists()


def test_a_stored_key_is_replaced_and_forgotten_on_the_page(boss: Client) -> None:
    give(boss)
    give(boss, key="sk-ant-another-0123456789-QRST")
    replaced = key_of("anthropic")

    answer = boss.post(reverse("drop_key"), {"maker": "anthropic"})

    assert replaced == "sk-ant-another-0123456789-QRST"
    assert answer.status_code == 303
    assert key_of("anthropic") is None
    verbs = set(AuditRow.objects.filter(verb__startswith="gateway.").values_list("verb", flat=True))
    assert {"gateway.set_key", "gateway.prove_key", "gateway.forget_key"} <= verbs


def test_an_own_machine_is_added_with_its_address_and_no_key(boss: Client, maker: Faults) -> None:
    maker.offer("qwen3-8b")

    answer = boss.post(reverse("give_key"), {"maker": "own", "address": maker.url, "name": "attic"})

    assert answer.status_code == 303
    assert ModelEntry.objects.get(provider="attic").name == "qwen3-8b"
    assert "needs no key" in text_of(boss)


def test_a_model_without_a_price_is_used_once_its_owner_enters_one(boss: Client) -> None:
    give(boss)

    said = {"model": "anthropic/claude-trial", "input_usd": "2", "output_usd": "8.5", "tier": "mid"}
    answer = boss.post(reverse("give_price"), said)

    assert answer.status_code == 303
    assert ModelEntry.objects.get(name="claude-trial").prices.get().output_microusd == 8_500_000
    assert "Refused: no price" not in text_of(boss)


def test_a_price_is_entered_anew_on_the_page_with_what_the_model_holds(boss: Client) -> None:
    give(boss)
    said = {"model": "anthropic/claude-trial", "input_usd": "0.2", "output_usd": "0.8", "tier": ""}
    boss.post(reverse("give_price"), said)

    again = boss.post(
        reverse("give_price"),
        {**said, "input_usd": "2", "output_usd": "8", "window": "90000", "longest": "9000"},
    )

    page = text_of(boss)
    assert again.status_code == 303
    assert "holds 90,000 tokens, writes 9,000" in page
    assert "claude-trial, now $2.00 and $8.00" in page
    assert "price entered by hand" in page


def test_the_page_says_when_a_key_was_proved_by_its_list_alone(boss: Client, maker: Faults) -> None:
    maker.offer("claude-fable-5")

    answer = boss.post(reverse("give_key"), {"maker": "anthropic", "key": KEY}, follow=True)

    page = answer.content.decode()
    assert "Its list was read; nobody was called" in page
    assert "One call under $0.001 proves it" in page
    assert "$0.01 " not in page


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("give_key", {"maker": "anthropic", "key": ""}),
        ("give_key", {"maker": "other", "key": "sk-1234567", "address": "https://models.example.com"}),
        ("give_key", {"maker": "own", "name": "attic"}),
        ("drop_key", {}),
        ("give_price", {"model": "anthropic/x", "input_usd": "-1", "output_usd": "1", "tier": "mid"}),
        ("give_price", {"model": "anthropic/x", "input_usd": "1", "output_usd": "1", "tier": "huge"}),
        (
            "give_price",
            {"model": "anthropic/x", "input_usd": "1", "output_usd": "1", "tier": "mid", "window": "9"},
        ),
    ],
)
def test_what_is_incomplete_is_asked_back(boss: Client, name: str, said: dict[str, str]) -> None:
    assert boss.post(reverse(name), said).status_code == 400


@pytest.mark.parametrize("role", ["operator", "viewer"])
@pytest.mark.parametrize("name", ["give_key", "drop_key", "give_price", "first_day"])
def test_only_the_owner_touches_keys_prices_and_limits(maker: Faults, name: str, role: str) -> None:
    person = signed_in(a_user(role=role))

    assert person.post(reverse(name), {"maker": "anthropic", "key": KEY}).status_code == 403
    assert not ProviderKey.objects.exists()


def test_with_one_maker_the_owner_is_asked_once_whether_it_may_review_itself(boss: Client) -> None:
    give(boss)
    before = text_of(boss)

    boss.post(reverse("first_day"), {"cap": "7.50", "time_zone": "UTC", "waive": "on"})

    assert "One maker only." in before
    assert "I accept reviews by the same maker" in before
    assert is_waived()
    assert is_set_up()
    assert "You accepted that." in text_of(boss)
    assert not Verdict.objects.exists()


def test_after_the_first_day_the_page_lowers_the_limit_and_never_raises_it(boss: Client) -> None:
    first = boss.post(reverse("first_day"), {"cap": "20", "time_zone": "UTC"})
    lower = boss.post(reverse("first_day"), {"cap": "10", "time_zone": "UTC"})
    higher = boss.post(reverse("first_day"), {"cap": "30", "time_zone": "UTC"})

    assert (first.status_code, lower.status_code, higher.status_code) == (303, 303, 403)
    assert Limit.objects.get(scope=factory_scope(), period="day").cap_microusd == 10_000_000


def test_more_than_a_hundred_dollars_a_day_is_not_set_on_the_first_day(boss: Client) -> None:
    answer = boss.post(reverse("first_day"), {"cap": "100.01", "time_zone": "UTC"})

    assert answer.status_code == 400
    assert Limit.objects.get(scope=factory_scope(), period="day").cap_microusd == 5_000_000


def test_a_crash_page_and_its_log_hold_no_key(
    boss: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.BOX_KEY = 7  # what seals the key breaks in the middle
    boss.raise_request_exception = False

    answer = give(boss)

    assert answer.status_code == 500
    assert KEY not in answer.content.decode()
    assert KEY not in caplog.text


def test_no_door_of_ours_tells_a_key(boss: Client) -> None:
    prove_key("anthropic", KEY, by="owner:ada")
    User.objects.update(is_staff=True, is_superuser=True)

    admin = boss.get(reverse("admin:gateway_providerkey_changelist")).content.decode()
    row = boss.get(reverse("admin:gateway_providerkey_change", args=["anthropic"])).content.decode()
    rest = boss.get("/api/v1/models/").content.decode()

    sealed = ProviderKey.objects.get().sealed
    for page in (admin, row, rest):
        assert KEY not in page
        assert sealed not in page


@pytest.mark.parametrize("name", ["--help", "--version", "nobody"])
def test_a_rehearsal_hands_no_name_on_as_an_option(
    transactional_db: None, settings: Any, tmp_path: Path, name: str
) -> None:
    found_installation("rehearsal")
    settings.MODE, settings.REAL_HOME, settings.REHEARSAL_HOME = "rehearsal", tmp_path / "real", tmp_path

    answer = give(signed_in(a_user()), maker=name)

    assert answer.status_code == 422
    assert KEY not in answer.content.decode()
    assert not (tmp_path / "real" / "opened").exists()


@pytest.mark.django_db
def test_an_empty_factory_says_how_to_begin(owner: Client) -> None:
    text = owner.get("/").content.decode()

    assert "Start with an idea" in text
    assert "$0.00" in text
    assert "Nobody works." in text
