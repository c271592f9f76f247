"""Work outlives a database that is away for a moment; a wrong question is not asked twice."""

import time

import pytest
from django.db import Error, InterfaceError, OperationalError, connection, transaction

from core.adapters.away import is_away, outlast

pytestmark = pytest.mark.django_db(transaction=True)


class Away:
    """Breaks so many times, then answers how often it was asked."""

    def __init__(self, error: Error, *, times: int) -> None:
        self.error, self.times, self.asked = error, times, 0

    def __call__(self) -> int:
        """Break, or answer."""
        self.asked += 1
        if self.asked <= self.times:
            raise self.error
        return self.asked


@pytest.mark.parametrize("error", [OperationalError("closed"), InterfaceError("closed")])
def test_work_is_done_again_until_the_database_is_back(error: Error) -> None:
    assert outlast(Away(error, times=2)) == 3


def test_a_broken_connection_is_replaced() -> None:
    broken = Away(OperationalError("closed"), times=1)

    def ask() -> int:
        connection.ensure_connection()
        if not broken.asked:
            connection.connection.close()
        broken()
        return connection.cursor().execute("SELECT 1") is not None

    assert outlast(ask)


def test_a_wrong_question_is_not_asked_again() -> None:
    asked: list[str] = []

    def ask() -> None:
        asked.append("once")
        connection.cursor().execute("SELECT * FROM nowhere")

    with pytest.raises(Error) as found:
        outlast(ask)

    assert (asked, is_away(found.value)) == (["once"], False)


def test_inside_a_transaction_the_caller_hears_of_it() -> None:
    away = Away(OperationalError("closed"), times=1)

    with pytest.raises(OperationalError), transaction.atomic():
        outlast(away)

    assert away.asked == 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="a file has no server that ends a transaction")
def test_a_transaction_that_stood_still_for_too_long_is_done_again() -> None:
    tries: list[int] = []

    @transaction.atomic
    def ask() -> int:
        tries.append(1)
        with connection.cursor() as cursor:
            if len(tries) == 1:
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 20")
                time.sleep(0.3)
            cursor.execute("SELECT 1")
            return int(cursor.fetchone()[0])

    assert outlast(ask) == 1
    assert len(tries) == 2
