"""One release, from the owner's yes to its users: trial on a copy, proof, switch."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from uuid import UUID

import httpx

from core.errors import BlobDamaged
from core.registry import Question, Stop
from factory.delivery.errors import EdgeUnavailable, TrialFailed
from factory.delivery.models import Release
from factory.delivery.ports import Edge, EdgeState, LaunchState
from factory.delivery.services.places import place_of, put_table, site_name, the_edge, unpacked
from factory.delivery.services.releases import (
    ACTION,
    approve_release,
    arguments_of,
    binds_of,
    go_live,
    move_release,
    refuse_release,
    trust,
)
from factory.quality.adapters.journeys import Door, drive
from factory.quality.adapters.site import fake_site
from factory.quality.rules.criteria import parse_criteria

READY_S = 60
State = Release.State


def question_about(release: Release, *, task_id: UUID) -> Question:
    """Return what the owner is asked before this release meets users."""
    promised = len(release.product.blueprint["criteria"])
    passed = {
        "name": "Hawk's verdict",
        "passed": True,
        "words": f"all {promised} promises kept on a running copy",
    }
    return Question(
        action=ACTION,
        arguments=arguments_of(release, task_id=task_id),
        title=f"Open version {release.version} of {release.product.name}?"[:60],
        facts={
            "binds": binds_of(release),
            "reason": "It passed every check of Hawk; users meet it only after your yes.",
            "on_yes": "It starts beside the version before, is tried on a copy of the data, then takes over.",
            "on_no": "Nothing changes for users. The version and its code are kept.",
            "worst_case_microusd": 0,
            "evidence": [passed],
            "product": release.product.name,
        },
    )


def carry_release(release: Release, *, task_id: UUID, stop: Stop) -> Release:
    """Bring an asked release to its users, or refuse it before one meets it. Safe to run again after a crash.

    Raises:
        ApprovalMissing: the owner's approval of exactly this release is not in force.
        EdgeUnavailable: the edge does not come up; nothing changed for users.
    """
    if release.state == State.ASKED:
        approve_release(release, task_id=task_id)
    edge = the_edge()
    edge.ensure()
    try:
        if release.state in (State.APPROVED, State.TRYING):
            _try_out(release, edge=edge, stop=stop)
        if release.state == State.SWITCHING:
            _switch(release, edge=edge, stop=stop)
    except (TrialFailed, BlobDamaged) as fault:
        refuse_release(release, why=fault.sentence)
        put_table(edge)
    return release


def _try_out(release: Release, *, edge: Edge, stop: Stop) -> None:
    """Drive every promise against the new release, beside the users and on a copy of their data."""
    disk = unpacked(release)
    live = Release.objects.live().filter(product=release.product).first()
    if live is not None:
        trust(live)
    with ExitStack() as stack:
        stack.callback(disk.forget_trial)
        site = stack.enter_context(fake_site())
        place = place_of(release.product)
        disk.copy_database()
        disk.migrate(disk.trial_database)
        if release.state == State.APPROVED:
            move_release(release, to=State.TRYING, trial_fetch=site.address)
        else:
            Release.objects.filter(pk=release.pk).update(trial_fetch=site.address)
            release.refresh_from_db()
        put_table(edge)
        _wait_for_preview(release, edge=edge, stop=stop)
        transport = stack.enter_context(httpx.HTTPTransport(retries=2))
        door = Door(transport, disk.tick_key(), site, base=f"http://127.0.0.1:{place.preview_port}")
        broken = [
            trip for trip in drive(parse_criteria(release.product.blueprint["criteria"]), door) if trip.fault
        ]
        if broken:
            first = broken[0]
            said = f"{first.step.method} {first.step.path}: {first.fault}"
            raise TrialFailed(why=f"{len(broken)} promises broken in its trial", first=said)
        move_release(release, to=State.SWITCHING)


def _switch(release: Release, *, edge: Edge, stop: Stop) -> None:
    """Start it on the users' data, let it prove itself, then let the users meet it."""
    disk = unpacked(release)
    disk.migrate(disk.database)
    put_table(edge)
    _wait_for_preview(release, edge=edge, stop=stop)
    go_live(release)
    put_table(edge)
    _wait(lambda state: _serves(release, state), edge=edge, stop=stop, what="the switch")


def _wait_for_preview(release: Release, *, edge: Edge, stop: Stop) -> None:
    _wait(lambda state: _proved(release, state), edge=edge, stop=stop, what="its proof")


def _wait(is_done: Callable[[EdgeState], bool], *, edge: Edge, stop: Stop, what: str) -> None:
    end = time.monotonic() + READY_S
    while not is_done(edge.state()):
        if stop.is_set():
            raise EdgeUnavailable(why="stopped while waiting", waited_for=what)
        if time.monotonic() > end:
            raise TrialFailed(why=f"no sign of {what} within {READY_S} s")
        time.sleep(0.05)


def _proved(release: Release, state: EdgeState) -> bool:
    """Whether the candidate answered as this release; one that crashes or answers wrongly ends the wait."""
    name = site_name(release.product)
    site, candidate = state.sites.get(name), state.candidate_of(name)
    if site is None or candidate is None or candidate.release != release.digest:
        return False
    state.require_ports(name)
    if candidate.late or candidate.crashes > 1:
        raise TrialFailed(why=candidate.evidence.why)
    return site.previewing == candidate.key


def _serves(release: Release, state: EdgeState) -> bool:
    launch = live_launch(release, state)
    return launch is not None and launch.ready and state.sites[site_name(release.product)].settled


def live_launch(release: Release, state: EdgeState) -> LaunchState | None:
    """Return the launch in which users meet `release`, None when the edge runs none."""
    name = site_name(release.product)
    if name not in state.sites:
        return None
    slots = (state.stable_of(name), state.candidate_of(name))
    return next((slot for slot in slots if slot is not None and slot.release == release.digest), None)
