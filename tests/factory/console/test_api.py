"""Keys and switches over REST: the same services as page and command line, and a key that is never told again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from agents.gateway.adapters.keyring import key_of
from agents.gateway.adapters.transport import hang_up
from agents.gateway.models import Call, Provider, ProviderKey
from agents.gateway.services import sync_prices
from billing.models import Switch
from billing.services import start_small
from core.models import AuditRow, KeptReply
from core.services import found_installation
from portfolio.models import Product
from tests.builders import a_user
from tests.callers import asked, call, device_of
from tests.factory.console.story import a_story
from tests.faults.client import Faults, faulty_provider
from tests.faults.play import Play

KEY = "sk-ant-real-looking-0123456789-WXYZ"


@pytest.fixture(scope="module")
def server() -> Iterator[Faults]:
    """A provider on loopback."""
    with faulty_provider() as running:
        yield running


@pytest.fixture
def maker(server: Faults, transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[Faults]:
    """A real factory without a key, whose makers are that provider."""
    settings.MODEL_KEYS, settings.HOME, settings.BOX_KEY = {}, tmp_path, ""
    settings.MODE, settings.REAL_HOME = "real", None
    server.reset()
    found_installation("real")
    sync_prices()
    start_small()
    Provider.objects.update(base_url=server.url)
    yield server
    hang_up()


@pytest.fixture
def owner(transactional_db: None) -> Client:
    """The owner's phone."""
    return device_of(a_user(name="ada"))


def test_a_key_is_proved_kept_and_forgotten_and_no_answer_and_no_row_holds_it(
    maker: Faults, owner: Client
) -> None:
    given = call(owner, "keys/set", once="first", maker="anthropic", key=KEY)
    again = call(owner, "keys/set", once="first", maker="anthropic", key=KEY)
    listed = {one["maker"]: one for one in asked(owner, "keys")}

    assert (given.status_code, key_of("anthropic")) == (200, KEY), given.content
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (given.json(), "true")
    assert listed["anthropic"] == given.json()
    assert (listed["anthropic"]["is_from"], listed["anthropic"]["last_four"]) == ("stored", "WXYZ")
    assert listed["openai"]["is_from"] == "missing"
    assert len(maker.calls()) == Call.objects.count() == 1
    kept = json.dumps([list(rows.objects.values()) for rows in (AuditRow, KeptReply, ProviderKey, Call)], default=str)  # fmt: skip
    assert KEY not in kept + given.content.decode() + json.dumps(listed)

    assert call(owner, "keys/anthropic/forget").status_code == 204
    assert key_of("anthropic") is None
    actors = AuditRow.objects.filter(verb__startswith="gateway.").values_list("actor", flat=True)
    assert set(actors) == {"owner:ada on phone"}


@pytest.mark.parametrize(
    ("play", "said", "status", "code"),
    [
        (Play(status=401, times=None), {"maker": "anthropic", "key": KEY}, 422, "KEY_REFUSED"),
        (Play(), {"maker": "nobody", "key": KEY}, 404, "NOT_FOUND"),
        (Play(), {"maker": "anthropic", "key": f"{KEY} {KEY}"}, 422, "KEY_UNUSABLE"),
        (Play(), {"maker": "anthropic"}, 422, "KEY_MISSING"),
    ],
)
def test_a_key_that_proves_nothing_is_refused_as_a_problem_and_not_kept(
    maker: Faults, owner: Client, play: Play, said: dict[str, str], status: int, code: str
) -> None:
    maker.always(play)

    refused = call(owner, "keys/set", **said)

    assert (refused.status_code, refused.json()["code"]) == (status, code), refused.content
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert KEY not in refused.content.decode()
    assert not ProviderKey.objects.exists()


def test_a_product_that_is_switched_off_rests_as_it_does_from_the_page(owner: Client) -> None:
    found_installation("rehearsal")
    product = a_story("Nightwatch").product

    off = call(owner, "switches/off", kind="product", ref=product.slug, reason="it looks wrong")
    during = Product.objects.get(pk=product.pk).state
    on = call(owner, "switches/on", kind="product", ref=product.slug)

    assert (off.status_code, off.json()["ref"], during) == (200, product.slug, Product.State.FROZEN)
    assert on.json() == {"was_off": True}
    assert Product.objects.get(pk=product.pk).state == product.state
    assert not Switch.objects.filter(cleared_at=None).exists()


def test_a_provider_that_is_switched_off_is_called_no_more_as_from_the_page(owner: Client) -> None:
    found_installation("rehearsal")
    sync_prices()

    off = call(owner, "switches/off", kind="provider", ref="openai", reason="too dear")
    during = Provider.objects.get(name="openai").is_enabled
    late = call(
        owner, "switches/off", kind="provider", ref="openai", reason="x", until="2030-01-01T00:00:00Z"
    )
    on = [call(owner, "switches/on", kind="provider", ref="openai").json() for _ in range(2)]

    assert (off.status_code, during) == (200, False)
    assert (late.status_code, late.json()["code"]) == (400, "BAD_ARGUMENTS")
    assert on == [{"was_off": True}, {"was_off": False}]
    assert Provider.objects.get(name="openai").is_enabled


def test_what_is_not_here_cannot_be_switched(owner: Client) -> None:
    found_installation("rehearsal")

    refused = call(owner, "switches/off", kind="provider", ref="nobody", reason="x")

    assert (refused.json()["code"], Switch.objects.count()) == ("SWITCH_UNKNOWN", 0)
