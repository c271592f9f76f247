"""The test database: copied where it can be, and emptied after a test whose transactions were real."""

import shutil
from functools import cache
from pathlib import Path

from django.db import connection, transaction
from django.db.backends.sqlite3.creation import DatabaseCreation

from tests.template import template_file, template_name

KEPT = ("django_content_type", "auth_permission", "django_site")
"""Made by the migrations, from the models; they are the same for all tests."""
GUARDED = "billing_entry"
"""No row of it may be deleted; on SQLite the tests take this guard away."""


class Copied(DatabaseCreation):
    """Makes a test database by copying a file."""

    def _create_test_db(self, verbosity: int, autoclobber: bool, keepdb: bool = False) -> str:  # noqa: FBT001, FBT002 (Django's own signature)
        name: str = super()._create_test_db(verbosity, autoclobber, keepdb)  # type: ignore[misc] # the stubs do not know it
        for end in ("-wal", "-shm"):
            Path(f"{name}{end}").unlink(missing_ok=True)
        shutil.copyfile(template_file(), name)
        return name


def copy_database() -> None:
    """Let the test database be a copy."""
    if connection.vendor == "sqlite":
        connection.creation = Copied(connection)
    else:
        connection.settings_dict["TEST"]["TEMPLATE"] = template_name()


def empty_tables(_: object = None) -> None:
    """Delete all rows: in the tables that have some, where Django empties all and makes its own rows anew."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_which_have_rows())
        for (name,) in cursor.fetchall():
            is_guarded = name == GUARDED and connection.vendor == "postgresql"
            cursor.execute(f'TRUNCATE "{name}"' if is_guarded else f'DELETE FROM "{name}"')  # noqa: S608 (a table of ours)


@cache
def _which_have_rows() -> str:
    names = (name for name in connection.introspection.django_table_names() if name not in KEPT)
    return " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM \"{name}\")" for name in names)  # noqa: S608 (the same)
