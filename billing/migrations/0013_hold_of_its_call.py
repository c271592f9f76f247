"""A hold is known by its call alone, and no index stands beside one that begins alike: less to write for every call.

What runs meanwhile on the code before finds no id to write a hold with, and refuses.
"""

import django.db.models.deletion
from django.db import migrations, models


def make_room(apps, schema_editor):
    """On PostgreSQL the old key goes before the new one comes, and so does an index beside the unique one on `ref` that nobody uses."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("alter table billing_hold drop constraint billing_hold_pkey")
        schema_editor.execute("drop index if exists billing_entry_ref_eae6ca3d_like")


class Migration(migrations.Migration):
    dependencies = [("billing", "0012_no_parts")]

    operations = [
        migrations.RunPython(make_room),
        migrations.AlterField(
            model_name="window",
            name="scope",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="windows", to="billing.scope"
            ),
        ),
        migrations.AlterField(
            model_name="hold",
            name="call_id",
            field=models.UUIDField(
                editable=False, help_text="Whose hold this is; a repeat returns the first.", primary_key=True, serialize=False
            ),
        ),
        migrations.RemoveField(model_name="hold", name="id"),
    ]
