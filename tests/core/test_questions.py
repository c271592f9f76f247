"""A question whose statement is made once finds what the queryset would, with whatever ids it is asked."""

from uuid import UUID

import pytest
from django.db.models import Count, Q

from core.adapters.questions import Question, prepared
from core.ids import new_id
from core.models import Event

pytestmark = pytest.mark.django_db


def events(*kinds: str) -> list[Event]:
    """Write an event of each kind, each with a story of its own."""
    return [
        Event.objects.create(kind=kind, facts={"says": kind, "twice": [1, None]}, correlation_id=new_id())
        for kind in kinds
    ]


def test_it_finds_what_the_queryset_finds_with_ids_it_was_not_made_with() -> None:
    first, second, third = events("test.one", "test.two", "test.three")

    @prepared
    def told(story: UUID, others: list[UUID]) -> Question:
        named = Event.objects.filter(Q(correlation_id=story) | Q(correlation_id__in=others)).order_by("kind")
        return named.values_list("pk", "kind", "facts", "facts__says", "created_at", "correlation_id")

    def row(one: Event) -> tuple[object, ...]:
        return one.pk, one.kind, one.facts, one.kind, one.created_at, one.correlation_id

    assert told(first.correlation_id, [second.correlation_id]) == [row(first), row(second)]
    assert told(new_id(), [third.correlation_id]) == [row(third)]
    twice = [third.correlation_id, first.correlation_id, first.correlation_id]
    assert told(second.correlation_id, twice) == [row(first), row(third), row(second)]
    assert told(third.correlation_id, []) == [row(third)]


def test_its_statement_is_made_once_for_each_number_of_ids() -> None:
    stories, made = [one.correlation_id for one in events("test.one", "test.two")], []

    @prepared
    def counted(stories: list[UUID]) -> Question:
        made.append(len(stories))
        found = Event.objects.filter(correlation_id__in=stories).order_by()
        return found.values_list("kind").annotate(n=Count("pk"))

    asked = [stories[:1], stories[1:], [new_id()], [], [], stories]

    assert [sorted(counted(stories)) for stories in asked] == [
        [("test.one", 1)], [("test.two", 1)], [], [], [], [("test.one", 1), ("test.two", 1)],
    ]  # fmt: skip
    assert made == [1, 0, 2]


def test_a_question_that_loses_an_id_or_says_it_otherwise_is_refused() -> None:
    @prepared
    def forgets(_: UUID) -> Question:
        return Event.objects.values_list("kind")

    @prepared
    def says_otherwise(key: UUID) -> Question:
        return Event.objects.filter(facts__key=f"id {key}").values_list("kind")

    for question in (forgets, says_otherwise):
        with pytest.raises(TypeError, match=r"1 of its ids do not stand in its statement"):
            question(new_id())
