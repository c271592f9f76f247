"""Nothing reads the parts of holds any more."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0011_hold_names_its_windows")]

    operations = [migrations.DeleteModel(name="HoldPart")]
