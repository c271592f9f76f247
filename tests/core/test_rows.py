"""Statements that are made once write and read what the ORM does."""

import pytest
from django.utils import timezone

from core.adapters.rows import insert_row, new_row, update_row
from core.ids import new_id
from core.models import AuditRow, Event

pytestmark = pytest.mark.django_db


def test_a_row_is_written_as_the_orm_would_and_knows_its_key() -> None:
    event = Event(kind="test.made", facts={"a": [1, None, "é"]}, correlation_id=new_id())

    insert_row(event)

    read = Event.objects.get(pk=event.pk)
    assert (read.kind, read.facts, read.correlation_id, read.created_at, read.parked_at) == (
        "test.made", {"a": [1, None, "é"]}, event.correlation_id, event.created_at, None,
    )  # fmt: skip


def test_a_new_row_has_what_was_said_and_the_defaults_of_its_model_for_the_rest() -> None:
    made, by_django = new_row(Event, kind="test.made", id=(key := new_id())), Event(kind="test.made", id=key)

    differ = {name for name, value in vars(by_django).items() if vars(made)[name] != value}

    assert differ == {"_state", "created_at", "next_try_at"}
    assert made._state.adding
    assert made.facts is not new_row(Event, kind="test.made").facts
    with pytest.raises(TypeError, match="colour"):
        new_row(Event, kind="test.made", colour="red")


def test_a_row_is_changed_by_its_key_and_a_row_that_is_not_there_is_told() -> None:
    row = AuditRow(actor="owner:ada", verb="test.did", subject="it", outcome="done")
    insert_row(row)
    now = timezone.now()

    assert update_row(AuditRow, row.pk, facts={"b": 2}, at=now, correlation_id=None)
    assert not update_row(AuditRow, new_id(), subject="nobody")

    row.refresh_from_db()
    assert (row.facts, row.at, row.subject) == ({"b": 2}, now, "it")
