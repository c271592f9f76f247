"""Who spends in `make chaos-money`: random calls on the ledger's own verbs, and a share of them through the gateway whole."""

import http.client
import os
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from bench import purse  # first of all: it sets Django up

# isort: split
from django.conf import settings

from agents.gateway.adapters import transport
from agents.gateway.ports import Ask, Intent, Message, Patience, Stop
from agents.gateway.services import complete
from agents.gateway.services.prices import start_provider
from billing.errors import BudgetExceeded, HoldSettled, SwitchSet
from billing.services import capture_hold, extend_hold, lose_hold, place_hold, release_hold
from core.adapters.away import is_away
from core.errors import FactoryError
from core.ids import new_id
from core.models import Mode
from tests.faults.play import Play

THREADS: Final = 6
KINDS: Final = {
    "honest": 60, "fills": 12, "mute": 5, "above": 5, "busy": 5, "broken": 4, "cut": 4, "slam": 2, "late": 3,
}  # fmt: skip
"""How often each kind of answer is met, in calls by hand."""
WHOLE_SHARE: Final = 0.12
"""Of all calls, so many go through the gateway: routed, held, streamed, tried again, booked and kept by it."""
WHOLE_KINDS: Final = {  # "busy" is rare: a provider that asks to wait is spoken to one by one for a minute
    "honest": 77, "fills": 10, "mute": 4, "nonsense": 2, "above": 0.1, "dearer": 0.1, "busy": 0.02, "broken": 1, "cut": 3, "slam": 1, "strange": 1.78,
}  # fmt: skip
PLAYS: Final = (
    Play(where={"says": "play=fills"}, fills=True, times=None),
    Play(where={"says": "play=mute"}, tells="nothing", times=None),
    Play(where={"says": "play=nonsense"}, tells="nonsense", times=None),
    Play(where={"says": "play=above"}, usage={"completion": 3_000}, times=None),
    Play(where={"says": "play=busy"}, status=429, retry_after="0", times=None),
    Play(where={"says": "play=broken"}, status=500, times=None),
    Play(where={"says": "play=cut"}, fault="reset", times=None),
    Play(where={"says": "play=slam"}, fault="slam", times=None),
    Play(where={"says": "play=dearer"}, served="gpt-5.2", times=None),
    Play(where={"says": "play=strange"}, served="nobody-knows", times=None),
)
"""What the provider does when it reads one of these words; in the last two another model answers, at its own price."""
PRICES: Final = {
    "gpt-5-mini": {"input": 250_000, "output": 2_000_000, "cached": 25_000, "cache_write": 250_000},
    "gpt-5.2": {"input": 1_750_000, "output": 14_000_000, "cached": 175_000, "cache_write": 1_750_000},
}  # fmt: skip
"""What it bills for the models that the gateway knows: the price table's words."""
_HURRY: Final = Patience(first_token_s=20, silence_s=20, total_s=60, budget_s=0, lane_s=0)


def reach(url: str) -> None:
    """Let this process, and its children, reach the provider at `url` as they would a real one, though all else is rehearsed."""
    settings.MODEL_ADDRESSES = {"openai": url}
    by_wire = transport.line_to
    transport.line_to = lambda provider, **_: by_wire(provider, mode=Mode.REAL, key="chaos")


def warm_up(payers: purse.Payers, url: str) -> None:
    """Make one call of each sort, so that no child has to read tables and vocabularies again."""
    spender = Spender(payers, url, random.Random(0), os.open(os.devnull, os.O_WRONLY))  # noqa: S311 (dice of a test)
    spender.one_whole()
    spender.one_by_hand(purse.Line(url))


def spend(payers: purse.Payers, url: str, *, seed: int, into: int) -> None:
    """Spend in several threads until somebody kills us."""
    for number in range(THREADS):
        spender = Spender(payers, url, random.Random(seed + number), into)  # noqa: S311 (dice of a test)
        threading.Thread(target=spender.work, daemon=True).start()
    signal.pause()


@dataclass
class Spender:
    """Makes one random call after the other, and says with a letter how each of them ended."""

    payers: purse.Payers
    url: str
    dice: random.Random
    into: int

    def work(self) -> None:
        """Spend for ever."""
        line = purse.Line(self.url, wait_s=10)
        while True:
            try:
                said = self.one_whole() if self.dice.random() < WHOLE_SHARE else self.one_by_hand(line)
            except Exception as error:  # noqa: BLE001 (outermost loop: whatever it is, it is a finding)
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                said = b"a" if is_away(error) else b"!"
            os.write(self.into, said)

    def _scopes(self) -> list[UUID]:
        payers, dice = self.payers, self.dice
        return [dice.choice(payers.agents), dice.choice(payers.products), dice.choice(payers.tasks)]

    def one_whole(self) -> bytes:
        """One call through the gateway: it holds, calls, tries again and settles by itself."""
        tag, kind = new_id(), self.dice.choices(list(WHOLE_KINDS), list(WHOLE_KINDS.values()))[0]
        ask = Ask(
            agent=f"Chaos {self.dice.randrange(1_000)}", assignment_id=tag, scopes=tuple(self._scopes()), system="",
            messages=(Message("user", f"call:{tag} play={kind}"),), max_tokens=self.dice.randrange(16, 60),
            intent=Intent(prefer_provider="openai"),
        )  # fmt: skip
        try:
            complete(ask, stop=Stop(), patience=_HURRY)
        except (BudgetExceeded, SwitchSet):
            return b"r"
        except FactoryError:  # nobody answered, or a bill above its bound stopped the provider
            start_provider("openai", by="chaos")
            return b"f"
        return b"."

    def one_by_hand(self, line: purse.Line) -> bytes:
        """One call on the ledger's own verbs, with what goes wrong around them."""
        call_id, kind = new_id(), self.dice.choices(list(KINDS), list(KINDS.values()))[0]
        room = self.dice.randrange(5, 60)
        if not self._hold(call_id, kind, bound=purse.bound_of(room)):
            return b"r"
        repeats = b""
        if self.dice.random() < 0.03:  # the same call comes again, with another bound: the first one counts
            repeats = b"2" if self._hold(call_id, kind, bound=7) else b""
        if self.dice.random() < 0.03:
            self._extend(call_id)
        try:
            status, said = line.ask(tag=f"{call_id} play={kind}", model="by-hand", max_tokens=room)
        except (OSError, http.client.HTTPException, ValueError):
            lose_hold(call_id, facts={"why": "no whole answer", "asked": kind})
            return repeats + b"."
        self._settle(call_id, kind, status=status, cost=purse.cost_of(said))
        return repeats + b"."

    def _hold(self, call_id: UUID, kind: str, *, bound: int) -> bool:
        try:
            place_hold(
                scopes=self._scopes(), tier="mid", bound_microusd=bound, call_id=call_id, provider="northlight", model=kind
            )  # fmt: skip
        except (BudgetExceeded, SwitchSet):
            time.sleep(0.001)
            return False
        return True

    def _extend(self, call_id: UUID) -> None:
        try:
            extend_hold(call_id, more_microusd=self.dice.randrange(0, 300))
        except (BudgetExceeded, SwitchSet):
            return

    def _settle(self, call_id: UUID, kind: str, *, status: int, cost: int | None) -> None:
        facts = {"asked": kind}
        if status == 429:
            release_hold(call_id)
        elif status != 200 or cost is None:
            lose_hold(call_id, facts=facts)
        else:
            if kind == "late":  # the bill comes after it was given up as lost
                lose_hold(call_id, facts=facts)
            capture_hold(call_id, cost_microusd=cost, facts=facts)
            if self.dice.random() < 0.05:
                self._settle_again(call_id, cost)

    def _settle_again(self, call_id: UUID, cost: int) -> None:
        """What is settled stays, whatever comes after it."""
        try:
            self.dice.choice((
                lambda: capture_hold(call_id, cost_microusd=cost * 3), lambda: release_hold(call_id), lambda: lose_hold(call_id)
            ))()  # fmt: skip
        except HoldSettled:
            return
