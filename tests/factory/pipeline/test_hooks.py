"""Webhooks: a genuine message becomes a wish once, many within a pause become one, a stranger's leaves nothing."""

import time
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from billing.rules import sign
from core.models import AuditRow
from factory.pipeline.errors import HookTaken
from factory.pipeline.models import HookCall, Objective
from factory.pipeline.rules.objectives import MOST_BYTES
from factory.pipeline.services import close_hook, open_hook, take_calls
from factory.pipeline.services.hooks import MOST_WAITING

pytestmark = pytest.mark.django_db


@pytest.fixture
def secret() -> str:
    """Let one sender in and return what it signs with."""
    return open_hook("shop", pause_s=60, by="owner:ada")[1]


def send(words: str, *, secret: str, name: str = "shop", at: float = 0, signature: str = "") -> int:
    """Send one message as this sender does; return the status."""
    body = words.encode()
    header = signature or sign(body, secret=secret, at=int(at or time.time()))
    path = f"/hooks/{name}/"
    answer = Client(enforce_csrf_checks=True).post(
        path, data=body, content_type="text/plain", headers={"X-Factory-Signature": header}
    )
    return answer.status_code


def test_messages_within_one_pause_become_one_wish_and_the_next_one_another(secret: str) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        sent = [send(f"Order {n} failed", secret=secret) for n in range(3)]
        early = take_calls()
        clock.shift(61)
        made = [take_calls(), take_calls()]
        sent.append(send("Order 9 failed", secret=secret))
        clock.shift(61)
        made.append(take_calls())

    assert (sent, early, made) == ([201] * 4, 0, [1, 0, 1])
    wishes = Objective.objects.order_by("created_at").values_list("text", "source", "created_by")
    assert list(wishes) == [
        ("Order 2 failed", "event", "hook:shop"),
        ("Order 9 failed", "event", "hook:shop"),
    ]
    assert [one.calls.count() for one in Objective.objects.order_by("created_at")] == [3, 1]


def test_a_repeat_also_after_its_pause_makes_nothing_new(secret: str) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        now = time.time()
        first = [send("Again", secret=secret, at=now), send("Again", secret=secret, at=now)]
        clock.shift(61)
        take_calls()
        late = send("Again", secret=secret, at=now)
        clock.shift(61)
        made = take_calls()

    assert (first, late, made) == ([201, 200], 200, 0)
    assert Objective.objects.count() == HookCall.objects.count() == 1


def test_the_unsigned_the_old_the_unknown_and_the_closed_leave_no_row(secret: str) -> None:
    old = time.time() - timedelta(minutes=6).total_seconds()

    statuses = [
        send("x", secret=secret[::-1]),
        send("x", secret=secret, signature="t=1"),
        send("x", secret=secret, name="stranger"),
        send("x", secret=secret, at=old),
    ]
    close_hook("shop", by="owner:ada")
    statuses.append(send("x", secret=secret))

    assert statuses == [401, 401, 401, 400, 401]
    assert not HookCall.objects.exists()


@pytest.mark.parametrize(
    ("words", "status"), [("a" * (MOST_BYTES + 1), 413), ("a" * MOST_BYTES, 201), ("  ", 400)]
)
def test_what_is_too_long_or_empty_is_refused(secret: str, words: str, status: int) -> None:
    assert send(words, secret=secret) == status


def test_a_flood_of_one_sender_is_told_to_wait(secret: str) -> None:
    waiting = [HookCall(hook_id="shop", signature_sha256=f"{n:064}", text="x") for n in range(MOST_WAITING)]
    HookCall.objects.bulk_create(waiting)

    assert send("one more", secret=secret) == 429


def test_a_name_is_given_once_and_opening_and_closing_are_written_down(secret: str) -> None:
    for _ in range(2):
        close_hook("shop", by="owner:ada")

    with pytest.raises(HookTaken):
        open_hook("shop", pause_s=0, by="owner:ada")
    verbs = AuditRow.objects.filter(subject="hook:shop").values_list("verb", flat=True)
    assert sorted(verbs) == ["pipeline.close_hook", "pipeline.open_hook"]
    assert secret not in str(list(AuditRow.objects.values()))
