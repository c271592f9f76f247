"""`factory init`: the questions of the first day on one screen; every answer may be an option instead."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Generic, TypeVar
from zoneinfo import available_timezones

import typer
from django.conf import settings
from rich.console import Console
from rich.markup import escape
from rich.prompt import Confirm, Prompt

from agents.gateway.adapters.keyring import reachable
from agents.gateway.models import Provider
from agents.gateway.services.key_check import Proof
from agents.gateway.services.makers import standings
from agents.roster.models import Agent
from approvals.models import Decision
from core.errors import BadArguments, FactoryError
from core.models import User
from core.services import setting
from factory.console.management.find import As, actor_of, find_person
from factory.console.management.show import AsJson, print_json, usd
from factory.console.management.verbs.entry import USAGE, app, code_of, stop
from factory.console.management.verbs.keys import (
    Address,
    NoKey,
    in_real_home,
    prove,
    read_dollars,
    read_secret,
    tell,
)
from factory.console.management.verbs.run import prepare
from factory.console.services import (
    OTHER,
    OWN,
    FirstDay,
    cap_offered_usd,
    check_cap,
    check_on,
    check_zone,
    most_on_first_day_usd,
    set_up,
)
from factory.quality.services import is_waived, waive_review

Answer = TypeVar("Answer")
KEPT = "The key is kept, the other answers are not: begin again, or give them as options."
ONE_MAKER = "One maker only: may Hawk review Rex on another model of it? Every verdict will say so"
TRIES = 3


@app.command()
def init(  # noqa: PLR0913 (every answer may be an option)
    *,
    maker: Annotated[
        str, typer.Option(help="Whose key: anthropic, openai, gemini, cerebras…, or a name for --address.")
    ] = "",
    address: Address = "",
    has_no_key: NoKey = False,
    from_stdin: Annotated[
        bool, typer.Option("--key-stdin", help="Read the key from standard input.")
    ] = False,
    cap: Annotated[str, typer.Option(help="Dollars a day at most, up to 100.")] = "",
    time_zone: Annotated[str, typer.Option(help="Yours, e.g. Pacific/Auckland.")] = "",
    on: Annotated[str, typer.Option(help="Who is on, with commas; as they are when not given.")] = "",
    accepts_one_maker: Annotated[
        bool,
        typer.Option("--accept-one-maker", help="Reviews by the same maker count while it is the only one."),
    ] = False,
    asks_nothing: Annotated[bool, typer.Option("--yes", help="Ask nothing: options, then defaults.")] = False,
    by: As = "",
    is_json: AsJson = False,
) -> None:
    """Set the factory up: a key proved by one call under $0.001, a limit a day, your time zone, who is on. Nothing starts."""
    in_real_home()
    prepare()
    asks = not asks_nothing and sys.stdin.isatty() and not from_stdin
    who, console = actor_of(by), Console(stderr=is_json)
    first, second, third = questions = _questions(cap, time_zone, on)
    for one in questions:
        one.check(asks=asks)  # before anybody is paid
    if asks:
        console.rule("First day", align="left")
    proof = _key(maker, address=address, has_no_key=has_no_key, from_stdin=from_stdin, asks=asks, by=who)
    if not is_json:
        tell(proof, is_json=False)
    answers = FirstDay(first.answer(asks=asks), second.answer(asks=asks), third.answer(asks=asks))
    set_up(answers, by=who)
    waived = _waive(is_said=accepts_one_maker, asks=asks, by=by)
    if is_json:
        print_json(_told(proof, answers, waived=waived))
    else:
        console.print(_next_words(waived=waived))


def _key(maker: str, *, address: str, has_no_key: bool, from_stdin: bool, asks: bool, by: str) -> Proof:
    """Return the proof of a key; at a terminal a key that does not work may be typed again."""
    maker = maker or _maker(asks=asks)
    if maker in (OWN, OTHER) and not address:
        if not asks:
            stop("Say which address, with --address.", code=USAGE)
        has_no_key = maker == OWN
        address = Prompt.ask("Address", default="http://127.0.0.1:8080" if has_no_key else "https://")
    for tries_left in reversed(range(TRIES)):
        secret = "" if has_no_key else read_secret(maker, from_stdin=from_stdin)
        try:
            return prove(maker, secret, address=address, by=by)
        except FactoryError as refusal:
            if not asks or not tries_left:
                stop(f"{refusal.sentence} {refusal.advice}".strip(), code=code_of(refusal))
            Console().print(f"[red]{refusal.sentence}[/]")
    raise AssertionError


def _maker(*, asks: bool) -> str:
    """Return whose key it is: the environment's, or who is chosen."""
    if settings.MODEL_KEYS:
        return next(iter(settings.MODEL_KEYS))
    if not asks:
        stop("Say whose key it is, with --maker.", code=USAGE)
    named = Provider.objects.filter(added_by="").order_by("name").values_list("name", flat=True)
    makers = [*named, OTHER, OWN]
    Console().print(
        "other: an address that speaks the OpenAI protocol · own: a machine of yours with llama.cpp, no key"
    )
    return Prompt.ask("Whose key is it?", choices=makers, default=makers[0])


@dataclass(frozen=True)
class Question(Generic[Answer]):
    """One question: what was given as an option, what stands there otherwise, and how an answer is read."""

    words: str
    given: str
    default: str
    read: Callable[[str], Answer]

    def check(self, *, asks: bool) -> None:
        """Refuse what nobody will be asked about and what does not fit."""
        if self.given or not asks:
            self.read(self.given or self.default)

    def answer(self, *, asks: bool) -> Answer:
        """Return the answer; one that is typed and does not fit is asked for again."""
        if self.given or not asks:
            return self.read(self.given or self.default)
        for tries_left in reversed(range(TRIES)):
            try:
                return self.read(Prompt.ask(self.words, default=self.default))
            except FactoryError as refusal:
                if not tries_left:
                    stop(f"{refusal.sentence} {KEPT}", code=code_of(refusal))
                Console().print(f"[red]{escape(refusal.sentence)}[/]")
        raise AssertionError


def _questions(
    cap: str, time_zone: str, on: str
) -> tuple[Question[Decimal], Question[str], Question[tuple[str, ...] | None]]:
    return (
        Question("At most a day, in dollars", cap, str(cap_offered_usd()), _cap),
        Question("Your time zone", time_zone, _zone_now(), check_zone),
        Question("Who is on", on, _on_now(), _on),
    )


def _cap(text: str) -> Decimal:
    amount = read_dollars(text)
    if amount is None:
        most = most_on_first_day_usd()
        raise BadArguments(at="the day's limit", said=text[:20], may_be=f"0 to {most} dollars, as 2.50")
    return check_cap(amount)


def _on(text: str) -> tuple[str, ...] | None:
    return check_on(_names(text))


def _on_now() -> str:
    return ",".join(Agent.objects.filter(is_enabled=True).order_by("name").values_list("name", flat=True))


def _names(text: str) -> tuple[str, ...] | None:
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else None


def _zone_now() -> str:
    """The time zone that was set before, here or in the rehearsal, else the machine's."""
    known = setting("time_zone")
    return zone_here() if known == "UTC" else str(known)


def zone_here() -> str:
    """Return the time zone this machine is set to, UTC where it does not say."""
    link = Path("/etc/localtime")
    name = str(link.resolve()).rpartition("zoneinfo/")[2] if link.is_symlink() else ""
    return name.removeprefix("Etc/") if name in available_timezones() else "UTC"


def is_one_maker() -> bool:
    """Say whether a single maker can be called."""
    return len(reachable(mode="real")) == 1


def _waive(*, is_said: bool, asks: bool, by: str) -> bool:
    """Record the owner's word that one maker may write and review, and say whether it is given."""
    if not is_one_maker() or is_waived():
        return is_waived()
    owner = find_person(by) if by else _only_owner()
    if owner is None or not (is_said or (asks and Confirm.ask(ONE_MAKER, default=False))):
        return False
    waive_review(by=owner, channel=Decision.Channel.CLI)
    return True


def _only_owner() -> User | None:
    """The owner, where there is one person who can be meant."""
    owners = User.objects.filter(role=User.Role.OWNER, is_simulated=False, is_active=True)[:2]
    return owners[0] if len(owners) == 1 else None


def _told(proof: Proof, answers: FirstDay, *, waived: bool) -> dict[str, object]:
    return {
        "maker": proof.provider,
        "model": proof.model,
        "answer": proof.said,
        "cost_usd": usd(proof.cost_microusd),
        "ready": [f"{one.provider}/{one.model}" for one in standings() if one.state in ("ready", "unseen")],
        "cap_usd_a_day": Decimal(answers.cap_usd),
        "time_zone": answers.time_zone,
        "one_maker_accepted": waived,
        "home": str(settings.HOME),
    }


def _next_words(*, waived: bool) -> str:
    """What to do now, in words."""
    review = (
        ""
        if waived or not is_one_maker()
        else "One maker only: before its first verdict Hawk asks you once whether that counts.\n"
    )
    return f"{review}Nothing has started. `make run` opens the factory; its first start prints how to become the owner."
