"""manage.py tick: do what is due, for machines without a caller of /internal/tick."""

from typing import Any

from django.core.management import BaseCommand, CommandError

from house.tick import run_all


class Command(BaseCommand):
    """Do one tick."""

    help = "Do what is due. Call it once a minute."

    def handle(self, *args: Any, **options: Any) -> None:
        """Fail with the names of the work that failed."""
        if failed := run_all():
            raise CommandError(f"failed: {', '.join(failed)}")
