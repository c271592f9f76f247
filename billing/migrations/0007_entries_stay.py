"""What is booked stays as it is: the database refuses to change or delete an entry, whoever asks."""

from django.db import migrations

SAID = "the ledger is append-only: correct an entry by a reversal"
VERBS = ("update", "delete")


def guard(apps, schema_editor):
    """Set the guards; on SQLite a later migration that makes the table anew has to set them again."""
    with schema_editor.connection.cursor() as cursor:
        for statement in _guards(schema_editor.connection.vendor):
            cursor.execute(statement)


def unguard(apps, schema_editor):
    """Take the guards away."""
    of_table = " on billing_entry" if schema_editor.connection.vendor == "postgresql" else ""
    with schema_editor.connection.cursor() as cursor:
        for verb in VERBS:
            cursor.execute(f"drop trigger if exists billing_entry_no_{verb}{of_table}")
        if of_table:
            cursor.execute("drop function if exists billing_entry_stays()")


def _guards(vendor):
    if vendor == "sqlite":
        return [
            f"create trigger if not exists billing_entry_no_{verb} before {verb} on billing_entry"
            f" begin select raise(abort, '{SAID}'); end"
            for verb in VERBS
        ]
    body = f"begin raise exception '{SAID}' using errcode = 'integrity_constraint_violation'; end"
    return [
        f"create or replace function billing_entry_stays() returns trigger language plpgsql as $$ {body} $$",
        *(
            f"create or replace trigger billing_entry_no_{verb} before {verb} on billing_entry"
            " for each row execute function billing_entry_stays()"
            for verb in VERBS
        ),
    ]


class Migration(migrations.Migration):
    dependencies = [("billing", "0006_original_bills")]

    operations = [migrations.RunPython(guard, unguard)]
