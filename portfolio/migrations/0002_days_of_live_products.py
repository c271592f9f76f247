"""Products that are live already have the day's limit of a live product, where nobody set one."""

from django.db import migrations


def limit_the_live(apps, schema_editor):
    """Write what `billing.services.give_limits` writes at a launch."""
    from billing.adapters.limits import start_caps

    limits, products = apps.get_model("billing", "Limit"), apps.get_model("portfolio", "Product")
    live = products.objects.exclude(launched_at=None).values_list("scope_id", flat=True)
    for scope_id in live:
        for period, cap_microusd in start_caps("live_product").items():
            limits.objects.get_or_create(scope_id=scope_id, period=period, defaults={"cap_microusd": cap_microusd})


class Migration(migrations.Migration):
    dependencies = [("portfolio", "0001_initial"), ("billing", "0014_money_functions")]
    operations = [migrations.RunPython(limit_the_live, migrations.RunPython.noop)]
