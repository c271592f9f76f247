"""Values for tests of the portfolio's rules."""

from datetime import date
from decimal import Decimal

from portfolio.rules.landscape import Group, Member
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
