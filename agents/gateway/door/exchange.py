"""One call through the door, from its hold to its bill: it goes on to its settlement whoever stops listening."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TypeVar

from django.db import Error

from agents.gateway.adapters.relay import posted
from agents.gateway.door.plan import Busy, Plan, Ready, begin, nobody, open_turn, open_way, plan_of
from agents.gateway.door.protocols import Wanted
from agents.gateway.door.repeats import Again, as_repeatable, recall
from agents.gateway.door.rows import in_preparation, in_rows
from agents.gateway.door.speech import Hearing, garbled
from agents.gateway.errors import (
    BooksUnreachable,
    DoorBroke,
    DoorFull,
    LaneBusy,
    ProviderFault,
    Stopped,
)
from agents.gateway.models import Call
from agents.gateway.ports import Reply, Said
from agents.gateway.services.calls import PATIENCE
from agents.gateway.services.lengths import LengthMeter
from agents.gateway.services.records import close_answered, close_failed, close_repeated
from agents.gateway.services.repeats import keep_answer
from billing.errors import BudgetBusy, BudgetExceeded
from core.adapters.away import is_away
from core.errors import FactoryError

logger = logging.getLogger(__name__)
T = TypeVar("T")
MOST_OPEN = 256
"""How many answers one process passes on at once."""
_LOOK_S = 0.2
open_exchanges: "set[Exchange]" = set()


class Exchange:
    """One call; make it inside a running loop."""

    def __init__(self, wanted: Wanted, *, secret: str, headers: Mapping[str, str]) -> None:
        """Begin the call.

        Raises:
            DoorFull: too many are open.
        """
        if len(open_exchanges) >= MOST_OPEN:
            raise DoorFull(open=MOST_OPEN)
        self.plan: Plan | None = None
        self.call: Call | None = None
        self.epoch = ""
        self._wanted, self._secret, self._headers = wanted, secret, headers
        self._mail: asyncio.Queue[bytes | FactoryError | None] = asyncio.Queue()
        self._end = bytearray()
        self._has_spoken = self._is_abroad = False
        self._told: list[bytes] | None = None
        self._cut: FactoryError | None = None
        self._cut_now = asyncio.Event()
        open_exchanges.add(self)
        self._task = asyncio.create_task(self._run())

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield what goes on to whoever asked, as it comes; whoever stops listening ends the call.

        Raises:
            FactoryError: why there is no more.
        """
        try:
            while (part := await self._mail.get()) is not None:
                if isinstance(part, FactoryError):
                    raise part
                yield part
        finally:
            self.cut(Stopped(why="nobody listens any more"))

    def cut(self, why: FactoryError) -> None:
        """End the call now; it is settled all the same. Safe to run twice, and after the end."""
        if self._cut is None and not self._task.done():
            self._cut = why
            self._cut_now.set()
            if self._is_abroad:
                self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._call()
            self._mail.put_nowait(None)
        except FactoryError as refusal:
            self._mail.put_nowait(refusal)
        except asyncio.CancelledError:
            self._mail.put_nowait(Stopped())
            raise
        except Exception as problem:  # the listener waits: whatever broke, it must hear of it
            logger.exception("gateway.door_broke")
            self._mail.put_nowait(DoorBroke(problem=type(problem).__name__))
        finally:
            open_exchanges.discard(self)

    async def _call(self) -> None:
        if (request := as_repeatable(self._wanted, self._headers)) is None:
            begun = await in_preparation(partial(begin, self._secret, self._wanted))
            self.plan = begun[0]
            await self._ask(*begun)
            return
        self.plan = plan = await in_preparation(partial(plan_of, self._secret, self._wanted))
        key, again = await in_rows(partial(recall, plan, request))
        if again is not None:
            await self._repeat(plan, again)
            return
        told: list[bytes] = []
        self._told = told
        reply = await self._ask(plan)
        if reply.stop == "end" and reply.usage is not None and self.call is not None:
            with suppress(BooksUnreachable):  # the answer is out and paid
                await in_rows(partial(keep_answer, key, told, call=self.call))

    async def _repeat(self, plan: Plan, again: Again) -> None:
        """Give the answer again that was paid for: held like any other call, so that whatever is off or full refuses it."""
        call, _ = await self._opened(partial(open_way, plan, again.route, fallback_from=None))
        await in_rows(partial(close_repeated, call, again.kept.call))
        self._say(bytes(again.kept.body))

    async def _ask(self, plan: Plan, opened: Ready | Busy | None = None) -> Reply:
        """Ask one after the other until one answers; the first may be open already."""
        turns = plan.turns
        failed: Call | None = None
        while step := turns.next():
            if not isinstance(opened, Ready):
                await self._nap(step.wait_s)
                opening = partial(open_turn, plan, step.place, fallback_from=failed)
                opened = await self._opened(opening, busy=opened)
            ready, opened = opened, None
            if ready is None:
                continue
            self.call = ready.call
            try:
                return await self._attempt(ready)
            except ProviderFault as fault:
                if self._has_spoken:  # half an answer is out: nobody else can go on with it
                    raise
                turns.fail(step.place, fault)
                failed, self.call = self.call, None  # it is over: no switch can end it any more
        raise nobody(plan)

    async def _nap(self, seconds: float) -> None:
        """Wait, holding nothing; a cut ends it."""
        if seconds and self._cut is None:
            try:
                await asyncio.wait_for(self._cut_now.wait(), seconds)
            except TimeoutError:
                return
        if self._cut is not None:
            raise self._cut

    async def _opened(self, opening: Callable[[], T], *, busy: Busy | None = None) -> T:
        """Open the call; where it would fit but for what other calls hold, wait for them, holding nothing. Source: U-5a."""
        began = time.monotonic()
        while True:
            await self._nap(_LOOK_S if busy else 0)
            try:
                return await in_preparation(opening)
            except (BudgetBusy, LaneBusy) as found:
                patience_s = PATIENCE.lane_s if isinstance(found, LaneBusy) else PATIENCE.budget_s
                if time.monotonic() - began >= patience_s:
                    raise
                busy = found

    async def _attempt(self, ready: Ready) -> Reply:
        call, way = ready.call, ready.way
        if self._cut is not None:
            nothing_left = ProviderFault("stopped", is_free=True, words="cut before it left")
            await in_rows(partial(close_failed, call, nothing_left))
            raise self._cut
        hearing = way.speech.listen(self._wanted)
        try:
            said = await self._hear(ready, hearing)
        except BudgetExceeded:
            await self._settle_cut(call, hearing)
            raise
        except ProviderFault as raw:
            fault = raw.hiding(ready.place.key)
            await in_rows(partial(close_failed, call, fault))
            raise fault from None
        except asyncio.CancelledError:
            await self._settle_cut(call, hearing)
            raise (self._cut or Stopped()) from None
        except Exception as problem:  # whatever broke: what left is paid, and nobody comes back
            await in_rows(partial(close_failed, call, garbled(problem)))
            raise
        reply = await in_rows(partial(_book, call, said))
        self._say(bytes(self._end))
        return reply

    async def _hear(self, ready: Ready, hearing: Hearing) -> Said:
        """Hear the answer to its end and return its bill; what breaks after the end is no loss.

        Raises:
            ProviderFault: it has no end, or nobody can read it.
        """
        try:
            await self._relay(ready, hearing, meter=self._meter_of(ready.call))
        except ProviderFault:
            if self._has_spoken or hearing.is_whole:  # else nothing is out, and somebody else may answer
                self._pass_on(hearing.left(), hearing)
            if not hearing.is_whole:
                raise
            self._end += hearing.end()
        return hearing.said()

    def _pass_on(self, part: bytes, hearing: Hearing) -> None:
        """Give a part on; once all is said it waits until it is booked: who hears the end may ask again at once."""
        if hearing.is_whole:
            self._end += part
        else:
            self._say(part)

    def _meter_of(self, call: Call) -> LengthMeter | None:
        """Return what ends an answer that is too long; None: this door's answers have no length."""
        if self.plan is None or not self._wanted.protocol.room:
            return None
        room = min(self.plan.ask.max_tokens, call.model.max_output_tokens)
        return LengthMeter(call, room_tokens=room * self._wanted.choices)

    async def _relay(self, ready: Ready, hearing: Hearing, *, meter: LengthMeter | None) -> None:
        """Pass the answer on while it comes.

        Raises:
            BudgetExceeded: it is longer than what was held for it, and no more can be held.
        """
        way, place = ready.way, ready.place
        self._end.clear()
        model, is_whole = way.route.model, not self._wanted.is_stream
        room = min(way.max_tokens, model.max_output_tokens)
        patience = PATIENCE.for_answer(
            room, tokens_per_s=model.tokens_per_s, is_whole=is_whole, is_own=model.is_own
        )
        headers = way.speech.headers(place.key, self._headers)
        self._is_abroad = True
        try:
            async with posted(
                place, way.speech.path, body=way.route.body, headers=headers, patience=patience
            ) as chunks:
                async for chunk in chunks:
                    self._pass_on(hearing.feed(chunk), hearing)
                    if meter is not None and hearing.written_bytes > meter.limit_bytes:
                        await self._go_on(meter, hearing)
                self._end += hearing.end()
        finally:
            self._is_abroad = False

    async def _go_on(self, meter: LengthMeter, hearing: Hearing) -> None:
        if await in_rows(partial(meter, hearing.written_bytes)):
            raise BudgetExceeded(layer="one answer", why="it is longer than what was held for it")

    async def _settle_cut(self, call: Call, hearing: Hearing) -> None:
        """We hung up: the bill if it was heard to the end, else the bound, for nobody knows."""
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
        if (said := _bill_of(hearing)) is not None:
            await in_rows(partial(_book, call, said))
        else:
            await in_rows(
                partial(close_failed, call, ProviderFault("stopped", is_free=False, words="cut by us"))
            )

    def _say(self, part: bytes) -> None:
        if part:
            self._has_spoken = True
            if self._told is not None:
                self._told.append(part)
            self._mail.put_nowait(part)


def _bill_of(hearing: Hearing) -> Said | None:
    """Return the bill, if it was heard to the end; None: nobody knows it."""
    try:
        said = hearing.said() if hearing.is_whole else None
    except Exception:  # whatever broke: its bound is booked
        logger.exception("gateway.bill_unreadable")
        return None
    return said if said is not None and said.usage is not None else None


def _book(call: Call, said: Said) -> Reply:
    """Book the answer; whatever breaks at that, its bound is booked, for it is paid."""
    try:
        return close_answered(call, said)
    except Exception as problem:
        if isinstance(problem, Error) and is_away(problem):
            raise  # nobody can book anything now: the hold expires at its bound
        close_failed(call, garbled(problem))
        raise
