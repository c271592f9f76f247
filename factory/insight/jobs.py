"""What the ticker asks of insight."""

from django.conf import settings

from core.registry import every
from factory.insight.services import start_export

if settings.LANGFUSE_URL:
    every(5.0, name="insight.export")(start_export)
