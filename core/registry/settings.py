"""The one table of what an owner may set by hand while the factory runs. Source: R-20.28.

What stands in the environment is read at the start; limits of money stand in billing, where they bind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from zoneinfo import available_timezones

from core.errors import BadArguments, NotRegistered

Value = int | str


@dataclass(frozen=True)
class Setting:
    """One setting: its name, how it is asked, what it may be and what it is before anybody changed it.

    Attributes:
        kind: a whole `number` from `low` to `high`, a `choice`, or a time `zone`.
        choices: words by value.
        words: what it does, in a sentence.
        source: the requirement that asks for it.
    """

    key: str
    label: str
    kind: Literal["number", "choice", "zone"]
    default: Value
    words: str
    unit: str = ""
    low: int = 0
    high: int = 0
    choices: tuple[tuple[str, str], ...] = ()
    source: str = ""

    def read(self, said: object) -> Value:
        """Return `said` as a value of this setting.

        Raises:
            BadArguments: it is none; says what it may be.
        """
        text = str(said).strip()
        if self.kind == "number":
            if text.isascii() and text.isdigit() and self.low <= int(text) <= self.high:
                return int(text)
        elif text in (dict(self.choices) if self.kind == "choice" else available_timezones()):
            return text
        raise BadArguments(setting=self.label, said=text[:60], may_be=self.range_words)

    @property
    def range_words(self) -> str:
        """What it may be, in words."""
        if self.kind == "number":
            return f"{self.low} to {self.high} {self.unit}".strip()
        return ", ".join(words for _, words in self.choices) or "a time zone, e.g. Pacific/Auckland"

    def in_words(self, value: Value) -> str:
        """Return a value as a page shows it."""
        return dict(self.choices).get(str(value), f"{value} {self.unit}".strip())


_TABLE: Final = (
    Setting("time_zone", "Your time zone", "zone", "UTC", "Times on pages and the hours of schedules.", source="U-21"),
    Setting("theme", "Light or dark", "choice", "system", "How pages look.", source="design 7",
            choices=(("system", "As the device"), ("light", "Light"), ("dark", "Dark"))),
    Setting("approvals.answer_hours", "Time for an answer", "number", 4,
            "A question that nobody answered so long is a no.", unit="hours", low=1, high=168, source="R-12.7"),
    Setting("approvals.pause_s", "Pause before a yes", "number", 3,
            "So long the button waits, so that nobody approves by an accident of the thumb.",
            unit="seconds", low=0, high=10, source="R-12.9"),
    Setting("control.drain_min", "Patience when draining", "number", 10,
            "So long running work may end by itself before it is asked to stop.", unit="minutes", low=1, high=120, source="R-01.26"),
    Setting("work.alert_ready_min", "Patience in the queue", "number", 30,
            "A task that waits longer for a worker is pointed out.", unit="minutes", low=5, high=1440, source="R-04.13"),
)  # fmt: skip
SETTINGS: Final[Mapping[str, Setting]] = {one.key: one for one in _TABLE}


def find_setting(key: str) -> Setting:
    """Return the setting of this name.

    Raises:
        NotRegistered: there is none.
    """
    if key not in SETTINGS:
        raise NotRegistered(setting=key)
    return SETTINGS[key]
