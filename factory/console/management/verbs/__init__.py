"""The factory's verbs: each translates its arguments, calls one service and prints the answer."""

from factory.console.management.verbs import (
    choose,
    clockwork,
    decide,
    demo,
    give,
    keep,
    look,
    money,
    nodes,
    options,
    pause,
    people,
    run,
    seed,
    tokens,
    traces,
    work,
)
from factory.console.management.verbs.entry import run_verb

__all__ = [
    "choose",
    "clockwork",
    "decide",
    "demo",
    "give",
    "keep",
    "look",
    "money",
    "nodes",
    "options",
    "pause",
    "people",
    "run",
    "run_verb",
    "seed",
    "tokens",
    "traces",
    "work",
]
