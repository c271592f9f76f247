"""The batch lane: an answer within a day for half the price; who waits for it asks again. Source: R-02.21."""

import json
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.gateway.adapters import transport
from agents.gateway.adapters.batch import AnthropicBatches, BatchLane, Ended, OpenAIBatches
from agents.gateway.adapters.http import Line
from agents.gateway.errors import BatchPending, ProviderFault
from agents.gateway.models import BatchJob, ModelEntry, Provider
from agents.gateway.ports import Ask, Keep, Reply
from agents.gateway.rules.money import in_batch
from agents.gateway.services.health import health_now
from agents.gateway.services.lanes import check_minute, count_begun
from agents.gateway.services.records import close_answered, close_failed, reply_of, row_of
from agents.gateway.services.routes import Choice, routes_for
from billing.errors import SwitchSet, TierSpent
from billing.services import holding, place_hold, switch_against
from core.adapters.rows import insert_row
from core.ids import digest_of
from core.models import Mode
from core.services import current_mode, is_stopped

LANES: Final[dict[str, BatchLane]] = {
    Provider.Protocol.OPENAI: OpenAIBatches(transport.WIRES["openai"]),
    Provider.Protocol.ANTHROPIC: AnthropicBatches(transport.WIRES["anthropic"]),
}
OWNER: Final = "batch lane"
"""Whose holds these are: no process's, for whichever is there settles them."""
LIFE: Final = timedelta(hours=26)
"""Providers give up after a day; later than this nobody believes that an answer comes, and the bound is booked."""
LOOK: Final = timedelta(seconds=60)
_FORGET: Final = timedelta(days=7)
_UNSURE: Final = timedelta(minutes=2)
"""So long after it may have been handed in, a request that the provider does not know was not taken."""
_OPEN: Final = (BatchJob.State.WRITTEN, BatchJob.State.POSTING, BatchJob.State.POSTED)


def reply_later(ask: Ask, *, keep: Keep | None) -> Reply | None:
    """Return the answer of the batch lane, where it has come; None: the lane cannot do this, ask at once.

    The same step of the same work finds what was handed in before, whichever attempt asks. Call it outside of any
    transaction: the hold must be on disk before the request leaves.

    Raises:
        BatchPending: it is under way; the fact names what to wait for.
        FactoryError: as `complete`, before anything is handed in.
    """
    if not ask.step_key or ask.tools or current_mode() != Mode.REAL:
        return None
    key = digest_of([sorted(map(str, ask.scopes)), ask.step_key])
    job = BatchJob.objects.select_related("call__model__provider").filter(key=key).first()
    if job is None and (choice := _choice(ask)) is not None:
        job = _handed_over(ask, choice, key=key)
    if job is None or job.state == BatchJob.State.FAILED:
        return None
    if job.state != BatchJob.State.ANSWERED:
        raise BatchPending(batch=key)
    return _deliver(job, keep=keep)


def _choice(ask: Ask) -> Choice | None:
    """Return the first in line whose provider has a batch lane, and a price for it."""
    for choice in routes_for(replace(ask, intent=replace(ask.intent, speed="normal"))):
        tariff = choice.offer.tariff
        if choice.model.provider.protocol in LANES and tariff is not None and tariff.batch_percent < 100:
            return choice
    return None


def _handed_over(ask: Ask, choice: Choice, *, key: str) -> BatchJob | None:
    try:
        return _hand_over(ask, choice, key=key)
    except (TierSpent, SwitchSet):  # whoever asks at once goes on to the next in line
        return None
    except IntegrityError:  # another attempt at the same step was first
        return BatchJob.objects.select_related("call__model__provider").get(key=key)


def _hand_over(ask: Ask, choice: Choice, *, key: str) -> BatchJob:
    """Write the call and the request, and hold its worst case, in one transaction: the lane's chore takes it from here."""
    check_minute(health_now(), agent=ask.agent)
    tariff = choice.offer.tariff
    percent = 100 if tariff is None else tariff.batch_percent
    route = replace(
        choice.route,
        bound_microusd=in_batch(choice.route.bound_microusd, percent=percent),
        reason=f"{choice.reason}, in the batch lane",
    )
    call = row_of(ask, route, fallback_from=None)
    call.is_batch = True
    job = BatchJob(
        key=key, call=call, request=json.loads(route.body), scopes=[str(scope) for scope in ask.scopes], next_look_at=call.started_at
    )  # fmt: skip
    with holding():
        insert_row(call)
        insert_row(job)
        place_hold(
            scopes=ask.scopes,
            bound_microusd=call.bound_microusd,
            call_id=call.id,
            correlation_id=call.correlation_id,
            seconds=int(LIFE.total_seconds()),
            provider=call.model.provider_id,
            model=call.model.name,
            tier="" if ask.intent.security_sensitive else call.tier,
            owner=OWNER,
        )
    count_begun(ask.agent)
    return job


@transaction.atomic
def _deliver(job: BatchJob, *, keep: Keep | None) -> Reply:
    reply = reply_of(job.call, _lane_of(job).said(job.answer or {}), usage=job.call.usage)
    if keep is not None:
        keep(reply)
    return reply


def move_batches() -> int:
    """Hand in what waits, look for what may have been taken, settle what ended; return how many were looked at.

    Each is taken by a conditional update, so that two processes never move one. Safe to run twice.
    """
    due = BatchJob.objects.filter(state__in=_OPEN, next_look_at__lte=timezone.now()).order_by("next_look_at")
    return sum(_take(job) for job in due.select_related("call__model__provider"))


def _take(job: BatchJob) -> bool:
    mine = BatchJob.objects.filter(pk=job.pk, state=job.state, next_look_at=job.next_look_at)
    if not mine.update(next_look_at=timezone.now() + LOOK):
        return False
    is_late = timezone.now() - job.call.started_at > LIFE
    if is_late and job.state == BatchJob.State.WRITTEN:  # too late to hand it in
        _fail(job, "it could not be handed in within a day")
        return True
    try:
        _MOVES[BatchJob.State(job.state)](job)
    except ProviderFault as fault:  # it is looked at again in a minute
        BatchJob.objects.filter(pk=job.pk).update(words=f"{fault.kind} {fault.words}"[:300])
    if is_late and job.state in _OPEN:
        _give_up(job)
    return True


def _post(job: BatchJob) -> None:
    """Hand it in; who dies on the way leaves a request of which nobody knows whether it was taken."""
    if _is_off(job):
        _fail(job, "switched off before it was handed in")
        return
    line = _line(job)
    if not _change(job, BatchJob.State.POSTING, posting_at=timezone.now()):
        return
    try:
        batch_id = _lane_of(job).post(line, job.request, call_id=job.call_id)
    except ProviderFault as fault:
        if not fault.is_free:
            raise
        if fault.kind in ("rate_limited", "unreachable", "server"):
            _change(job, BatchJob.State.WRITTEN, words=f"{fault.kind} {fault.words}"[:300])
            return
        _fail(job, f"{fault.kind} {fault.words}")
        return
    _change(job, BatchJob.State.POSTED, batch_id=batch_id)


def _look_for(job: BatchJob) -> None:
    """Find out whether it was taken: hand it in once more only when the provider surely does not know it."""
    since = job.posting_at or job.call.started_at
    known = BatchJob.objects.exclude(batch_id="").values_list("batch_id", flat=True)
    found = _lane_of(job).find(_line(job), call_id=job.call_id, since=since, known=frozenset(known))
    if found is not None:
        _change(job, BatchJob.State.POSTED, batch_id=found)
    elif timezone.now() - since > _UNSURE:
        _change(job, BatchJob.State.WRITTEN)


def _look_at(job: BatchJob) -> None:
    """See whether it ended; what was switched off meanwhile is cancelled, and how it ended is seen all the same."""
    lane, line = _lane_of(job), _line(job)
    if job.cancelled_at is None and _is_off(job):
        lane.cancel(line, job.batch_id)
        BatchJob.objects.filter(pk=job.pk).update(cancelled_at=timezone.now())
    ended = lane.look(line, job.batch_id, call_id=job.call_id)
    if ended is None:
        return
    if ended.answer is None:
        _fail(job, ended.words)
    else:
        _settle(job, ended)


_MOVES = {
    BatchJob.State.WRITTEN: _post,
    BatchJob.State.POSTING: _look_for,
    BatchJob.State.POSTED: _look_at,
}


@transaction.atomic
def _settle(job: BatchJob, ended: Ended) -> None:
    """Book what the answer cost; one that cannot be read is booked at its bound, and the work asks anew."""
    try:
        said = _lane_of(job).said(ended.answer or {})
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
        if _change(job, BatchJob.State.FAILED, words=type(problem).__name__):
            close_failed(job.call, ProviderFault("garbled", is_free=False, words=type(problem).__name__))
        return
    if _change(job, BatchJob.State.ANSWERED, answer=ended.answer):
        close_answered(job.call, said)


@transaction.atomic
def _fail(job: BatchJob, words: str) -> None:
    """It was not answered and costs nothing: whoever waits asks at once, at the full price."""
    fault = ProviderFault("batch", is_free=True, words=words)
    if _change(job, BatchJob.State.FAILED, words=fault.words):
        close_failed(job.call, fault)


@transaction.atomic
def _give_up(job: BatchJob) -> None:
    """No answer came within its time: it is booked at its bound unless it is not there at all, and the work asks anew."""
    never_left = job.state == BatchJob.State.WRITTEN
    if _change(job, BatchJob.State.FAILED, words="no answer within a day"):
        close_failed(job.call, ProviderFault("silent", is_free=never_left, words="no answer within a day"))


def _change(job: BatchJob, state: BatchJob.State, **told: object) -> bool:
    mine = BatchJob.objects.filter(pk=job.pk, state=job.state)
    is_mine = mine.update(state=state, **told) == 1
    job.state = state
    return is_mine


def _is_off(job: BatchJob) -> bool:
    model: ModelEntry = job.call.model
    scopes = tuple(UUID(scope) for scope in job.scopes)
    off = switch_against(scopes=scopes, provider=model.provider_id, model=model.name)
    return off is not None or is_stopped()


def _lane_of(job: BatchJob) -> BatchLane:
    return LANES[job.call.model.provider.protocol]


def _line(job: BatchJob) -> Line:
    """Return how its provider is reached.

    Raises:
        ProviderFault: its key is gone: nothing can be known of it now.
    """
    return transport.line_to(job.call.model.provider, mode=job.call.mode)


def open_batches(keys: Collection[str]) -> frozenset[str]:
    """Return which of these are still under way."""
    found = BatchJob.objects.filter(key__in=keys, state__in=_OPEN)
    return frozenset(found.values_list("key", flat=True))


def forget_batches() -> int:
    """Forget jobs that are over for a week; return how many. Safe to run twice."""
    over = BatchJob.objects.exclude(state__in=_OPEN).filter(next_look_at__lt=timezone.now() - _FORGET)
    return over.delete()[0]
