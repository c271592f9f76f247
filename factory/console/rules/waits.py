"""How the line of work is said: queues, why things wait, schedules, and what an open page may ask news of."""

import re
from collections.abc import Mapping
from typing import Final

_DAYS: Final = (
    "Sundays",
    "Mondays",
    "Tuesdays",
    "Wednesdays",
    "Thursdays",
    "Fridays",
    "Saturdays",
    "Sundays",
)
_TOPIC: Final = re.compile(r"(home|decisions|money|work)|(dag|session):[0-9a-f-]{36}")
QUEUE_WORDS: Final[Mapping[str, str]] = {
    "cloud": "Models",
    "build": "Builds",
    "control": "Upkeep",
    "notify": "Notices",
    "gpu": "GPU",
}
WAIT_WORDS: Final[Mapping[str, str]] = {
    "you": "For you",
    "steps": "For another step",
    "cut": "Cannot start",
    "children": "For steps of their own",
    "judge": "For a verdict",
    "retry": "For the next try",
}
WAIT_LOOKS: Final[Mapping[str, tuple[str, str]]] = {
    "you": ("need", "need"),
    "cut": ("park", "need"),
    "judge": ("live", "live"),
    "retry": ("back", ""),
    "held": ("park", "need"),
    "agent": ("clock", ""),
    "queue": ("park", "need"),
}
WAIT_ENDS: Final[Mapping[str, str]] = {
    "cut": "What they need was given up or ended; their graphs say what can be done.",
    "agent": "They begin when a place is free or the agent is switched on.",
    "queue": "They begin when the queue goes on.",
}
HELD_WORDS: Final[Mapping[str, str]] = {
    "paused": "Their graph is paused",
    "frozen": "Their venture is parked",
    "switch": "Switched off under Money",
    "budget": "For budget",
    "gpu": "For the GPU host",
}


def cron_in_words(cron: str) -> str:
    """Return `daily 05:00`, `hourly at :10`, `Mondays 08:00`; what has no short words as it is written."""
    fields = cron.split()
    if len(fields) != 5 or not fields[0].isdecimal() or fields[3] != "*":
        return f"by “{cron}”"
    minute, hour, day, _, weekday = fields
    if (hour, day, weekday) == ("*", "*", "*"):
        return f"hourly at :{int(minute):02}"
    if not hour.isdecimal():
        return f"by “{cron}”"
    clock = f"{int(hour):02}:{int(minute):02}"
    if (day, weekday) == ("*", "*"):
        return f"daily {clock}"
    if day == "*" and weekday.isdecimal() and int(weekday) < len(_DAYS):
        return f"{_DAYS[int(weekday)]} {clock}"
    return f"monthly on day {day}, {clock}" if day.isdecimal() and weekday == "*" else f"by “{cron}”"


def is_topic(text: str) -> bool:
    """Say whether pages may ask for news of this."""
    return _TOPIC.fullmatch(text) is not None
