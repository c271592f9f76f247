"""`manage.py factory <verb>`, the same as `.venv/bin/factory <verb>`."""

from collections.abc import Sequence

from django.core.management.base import BaseCommand

from factory.console.management.verbs import run_verb


class Command(BaseCommand):
    """The factory's own command line."""

    help = "The factory's verbs: run, scan, build, demo and more; `factory --help` lists them."

    def run_from_argv(self, argv: Sequence[str]) -> None:
        """Hand everything behind `factory` to its verbs."""
        run_verb(list(argv[2:]))
