"""Tasks made before there were queues stand in the line they would stand in now."""

from django.db import migrations

BUILDS = ("quality.test", "repo.scaffold", "repo.package")


def stand_in_line(apps, schema_editor):
    """Give every task its queue and its lane, and keep those of paused graphs out."""
    Task = apps.get_model("work", "Task")
    agents = Task.objects.exclude(agent=None).values_list("agent_id", flat=True).distinct().order_by()
    for agent_id in list(agents):
        Task.objects.filter(agent_id=agent_id).update(lane=agent_id.hex)
    Task.objects.filter(kind="agent", workspace=None).update(queue="cloud")
    Task.objects.filter(kind="agent").exclude(workspace=None).update(queue="build")
    Task.objects.filter(kind__in=BUILDS).update(queue="build")
    Task.objects.filter(state="ready", dag__is_paused=True).update(held="paused")


class Migration(migrations.Migration):
    dependencies = [("work", "0002_queues_lanes_permits")]
    operations = [migrations.RunPython(stand_in_line, migrations.RunPython.noop)]
