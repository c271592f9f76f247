from collections import defaultdict
from datetime import UTC

from django.db import migrations


def fill(apps, schema_editor):
    """Add up what was booked before there were sums."""
    Entry, CostHour = apps.get_model("billing", "Entry"), apps.get_model("billing", "CostHour")
    sums = defaultdict(lambda: [0, 0])
    columns = ("at", "scope_id", "kind", "agent", "facts", "correlation_id", "amount_microusd")
    for at, scope, kind, agent, facts, story, amount in Entry.objects.values_list(*columns).iterator():
        at = at.astimezone(UTC)
        total = sums[at.date(), at.hour, scope, kind, agent, str(facts.get("asked", ""))[:80], story]
        total[0] += amount
        total[1] += 1
    CostHour.objects.bulk_create(
        [
            CostHour(
                day=day, hour=hour, scope_id=scope, kind=kind, agent=agent, item=item, correlation_id=story,
                amount_microusd=amount, entries=entries,
            )
            for (day, hour, scope, kind, agent, item, story), (amount, entries) in sums.items()
        ],
        batch_size=500,
    )


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_cost_hours")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
