"""The factory's verbs: each translates its arguments, calls one service and prints the answer."""

from factory.console.management.verbs import demo, give, keep, run
from factory.console.management.verbs.entry import run_verb

__all__ = ["demo", "give", "keep", "run", "run_verb"]
