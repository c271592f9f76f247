"""What the ticker asks of insight."""

from django.conf import settings

from core.registry import every
from factory.insight.services import start_export, watch_caches, watch_mix

every(300.0, name="insight.watch_mix")(watch_mix)
every(300.0, name="insight.watch_caches")(watch_caches)

if settings.LANGFUSE_URL:
    every(5.0, name="insight.export")(start_export)
