"""News for open pages: told after the commit, gathered, and never in a worker's way."""

import asyncio
from functools import partial

import pytest
from channels.layers import get_channel_layer
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from core.adapters.live import Teller, group_of
from core.ids import new_id
from core.services import announce, publish

pytestmark = pytest.mark.django_db


async def heard(*topics: str, tell: list[tuple[str, ...]], teller: Teller) -> list[str]:
    """Return what an open page with these topics hears within two seconds."""
    layer = get_channel_layer()
    channel = await layer.new_channel()
    for topic in topics:
        await layer.group_add(group_of(topic), channel)
    teller.listen(asyncio.get_running_loop())
    for some in tell:
        teller.tell(some)
    found: list[str] = []
    try:
        while True:
            found.append((await asyncio.wait_for(layer.receive(channel), 2))["topic"])
    except TimeoutError:
        return found


def test_a_page_hears_its_topics_once_however_often_they_are_told() -> None:
    mine, other = f"dag:{new_id()}", f"dag:{new_id()}"  # other tests may speak on the same broker
    told = [(mine, "dag:1"), (mine,), (mine, "money")]

    assert asyncio.run(heard(mine, other, tell=told, teller=Teller())) == [mine]


def test_telling_while_nobody_listens_does_not_keep_news_from_who_comes_later() -> None:
    page, teller = f"dag:{new_id()}", Teller()
    teller.tell(["home"])

    assert asyncio.run(heard(page, tell=[(page,)], teller=teller)) == [page]


def test_a_topic_is_told_when_the_transaction_is_committed_and_not_before(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks() as callbacks, transaction.atomic():
        announce("home")

    assert len(callbacks) == 1


def test_what_was_rolled_back_is_not_told(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks() as callbacks, transaction.atomic():
        announce("home")
        transaction.set_rollback(True)

    assert callbacks == []


def test_every_published_fact_is_news(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        publish("work.task_changed", task_id="t", dag_id="d")

    told: list[set[str]] = [set(*one.args) for one in callbacks if isinstance(one, partial)]
    assert {"work", "dag:d"} in told
