"""A hold names its windows in its own row: one row to write and none to look up; what runs meanwhile on the code before this refuses."""

from itertools import groupby
from operator import itemgetter

from django.db import migrations, models


def name_them(apps, schema_editor):
    """Write the windows of every hold into its row."""
    parts = apps.get_model("billing", "HoldPart").objects.order_by("hold_id").values_list("hold_id", "window_id")
    for hold, group in groupby(parts.iterator(), key=itemgetter(0)):
        apps.get_model("billing", "Hold").objects.filter(pk=hold).update(windows=[window.hex for _, window in group])


def part_them(apps, schema_editor):
    """Write a row for every window of a hold again."""
    part = apps.get_model("billing", "HoldPart")
    holds = apps.get_model("billing", "Hold").objects.values_list("pk", "windows")
    for hold, windows in holds.iterator():
        part.objects.bulk_create(part(hold_id=hold, window_id=window) for window in windows)


class Migration(migrations.Migration):
    dependencies = [("billing", "0010_cache_alert")]

    operations = [
        migrations.RemoveField(model_name="hold", name="windows"),
        migrations.AddField(
            model_name="hold",
            name="windows",
            field=models.JSONField(
                db_default=models.Value([], models.JSONField()), default=list, help_text="Ids of the windows it stands in, past midnight too."
            ),
        ),
        migrations.RunPython(name_them, part_them),
    ]
