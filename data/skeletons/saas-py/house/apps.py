"""The house as an app."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class HouseConfig(AppConfig):
    """Finds the work of the tick in every app's `due.py` or `rules.py`."""

    name = "house"

    def ready(self) -> None:
        """Import that work, the domain's before the house's."""
        autodiscover_modules("rules", "due")
