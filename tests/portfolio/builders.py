"""Values for tests of the portfolio's rules."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

from portfolio.rules.landscape import Chart, Group, Member, Point, Sketch
from portfolio.rules.scoring import Category, Hard, Yardsticks
from portfolio.rules.signals import Signal
from portfolio.rules.words import PhraseList

AS_OF = date(2026, 9, 30)


def a_signal(
    key: str = "s1",
    *,
    text: str = "A user wants it.",
    source: str = "forum",
    day: str | None = "2026-05-04",
    price: str | None = None,
    mentions: int | None = None,
) -> Signal:
    """Return one signal of a user, dated, with an address of its own."""
    return Signal(
        line=1,
        id=key,
        source=source,
        url=f"https://forum.example/{key}",
        day=day,
        title=f"About {key}",
        text=text,
        price_usd=None if price is None else Decimal(price),
        mentions=mentions,
    )


def yardsticks() -> Yardsticks:
    """Return short word lists that a reader can hold in his head."""
    return Yardsticks(
        complaints=PhraseList.of(["broken", "too slow"]),
        wishes=PhraseList.of(["would pay"]),
        categories=(Category("api", 3, 3, PhraseList.of(["an api"])),),
        usual=Category("micro_saas", 2, 5),
        hard=(Hard("hardware", PhraseList.of(["printer*"])),),
        first_payer_days=7,
    )


def a_group(
    *keys: str,
    noise: tuple[str, ...] = (),
    margins: dict[str, float] | None = None,
    among: tuple[float, ...] = (1.0,),
    older: dict[str, float] | None = None,
) -> Group:
    """Return a group whose evidence is `keys`, the first the most central; `noise` is in it but does not count."""
    strong = [Member(key, round(0.5 - 0.01 * place, 2), True, ()) for place, key in enumerate(keys)]
    weak = [Member(key, 0.1, False, ()) for key in noise]
    return Group((*strong, *weak), "", margins or {}, among, older or {})


class SortedLandscape:
    """A landscape that groups signals by the first word of their text; needs no model."""

    def __init__(
        self, *, margins: dict[str, float] | None = None, older: dict[str, float] | None = None
    ) -> None:
        self.margins, self.likeness = margins or {}, older or {}
        self.asked: list[dict[str, str]] = []

    def chart(
        self,
        points: Sequence[Point],
        *,
        stored: Mapping[str, str],
        older: Mapping[str, str],
        known: Mapping[str, str],
    ) -> Chart:
        """Give the groups of two and more."""
        self.asked.append(dict(stored))
        sorts: dict[str, list[str]] = {}
        for point in points:
            sorts.setdefault(point.plain.split(". ")[1].split()[0], []).append(point.key)
        groups = [keys for _, keys in sorted(sorts.items()) if len(keys) > 1]
        among = [tuple(float(one == other) for other in range(len(groups))) for one in range(len(groups))]
        return Chart(
            tuple(
                a_group(*keys, among=row, older=self._alike(older))
                for keys, row in zip(groups, among, strict=True)
            ),
            {point.text: "AAAA" for point in points if point.text not in known},
        )

    def sketch(self, text: str, *, older: Mapping[str, str], known: Mapping[str, str]) -> Sketch:
        """Give the margins it was made with."""
        return Sketch("", self.margins, self._alike(older), {} if text in known else {text: "AAAA"})

    def _alike(self, older: Mapping[str, str]) -> dict[str, float]:
        return {name: self.likeness.get(name, 0.0) for name in older}


def a_file(folder: Path, *rows: Signal | bytes) -> Path:
    """Write a file of signals and of lines as they are."""
    path = folder / "signals.jsonl"
    path.write_bytes(b"\n".join(row if isinstance(row, bytes) else as_line(row) for row in rows))
    return path


def as_line(signal: Signal) -> bytes:
    """Give a signal as it stands in a file."""
    said = {
        "id": signal.id,
        "source": signal.source,
        "url": signal.url,
        "date": signal.day,
        "title": signal.title,
        "text": signal.text,
        "price_mentioned": None if signal.price_usd is None else float(signal.price_usd),
        "mentions": signal.mentions,
    }
    return json.dumps(said).encode()
