"""One release, from the owner's yes to its users: trial on a copy, proof, switch."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from core.adapters.disk import needing_room
from core.errors import BlobDamaged
from core.registry import Question, Stop
from factory.delivery.errors import LaunchStopped, NotFit, NotServed, TrialDisturbed, TrialFailed
from factory.delivery.models import Release
from factory.delivery.ports import Edge, EdgeState, LaunchState
from factory.delivery.services.places import home_of, place_of, put_table, site_name, the_edge, unpacked
from factory.delivery.services.releases import (
    ACTION,
    approve_release,
    arguments_of,
    begin_trial,
    binds_of,
    check_release,
    go_live,
    move_release,
    refuse_release,
)
from factory.delivery.services.trial import drive_promises
from factory.quality.adapters.site import Site, fake_site
from portfolio.models import Product

READY_S = 60
"""How long a release may take to prove itself."""
SWITCH_S = 30
GONE_S = 10
"""How long we wait for a trial to end; whatever it leaves then, the next trial clears away."""
LOOK_S = 0.05
TRIALS = 3
"""So often a release is tried when it, or what carries its answers, dies meanwhile: the last trial is believed."""
NOTICED_S = 0.5
"""Within this time the edge knows who died."""
State = Release.State


def question_about(release: Release, *, task_id: UUID) -> Question:
    """Return what the owner is asked before this release meets users."""
    promises = release.verdict.promises
    kept = sum(promises.values())
    verdict = {
        "name": "Hawk's verdict",
        "passed": release.verdict.passed,
        "words": f"{kept} of {len(promises)} promises kept on a running copy",
    }
    before = Release.objects.of(release.product).live().first()
    return Question(
        action=ACTION,
        arguments=arguments_of(release, task_id=task_id),
        title=f"Open version {release.version} of {release.product.name}?"[:60],
        facts={
            "binds": binds_of(release),
            "reason": "It passed every check of Hawk; users meet it only after your yes.",
            "on_yes": "It starts beside the version before, is tried on a copy of the data, then takes over.",
            "on_no": "Nothing changes for users. The version and its code are kept.",
            "is_reversible": True if before else None,
            "undo": f"Version {before.version} can take over again within a minute" if before else "",
            "diff": f"- version = {before.version if before else 'none'}\n+ version = {release.version}",
            "worst_case_microusd": 0,
            "evidence": [verdict],
            "product": release.product.name,
        },
    )


def carry_release(release: Release, *, task_id: UUID, stop: Stop, edge: Edge | None = None) -> Release:
    """Bring an asked release to its users, or refuse it before one meets it.

    Safe to run again after a crash, and in two processes at once: one waits until the other is done.

    Args:
        release: as it was read, however long ago.
        task_id: for which task the owner was asked.
        stop: set when this process wants to end.
        edge: None is this installation's.

    Raises:
        ApprovalMissing: the owner's approval of exactly this release is not in force.
        LaunchStopped: `stop` was set or the product is frozen; it goes on later.
        DiskFull: nothing was believed of what broke meanwhile; it goes on when there is room.
        EdgeUnavailable, PortTaken, NoPortFree, EnvironmentNotBuilt: it may work later; nothing changed for users.
    """
    with home_of(release.product).held(stop=stop):
        release.refresh_from_db()
        _check_may_go_on(release, stop=stop)
        if release.state == State.ASKED:
            approve_release(release, task_id=task_id)
        if release.state in (State.APPROVED, State.TRYING, State.SWITCHING, State.LIVE):
            place_of(release.product)
            _bring(release, edge=edge or the_edge(), stop=stop)
    return release


def _bring(release: Release, *, edge: Edge, stop: Stop) -> None:
    edge.ensure()
    with _tidied(release, edge=edge):
        try:
            if release.state in (State.APPROVED, State.TRYING):
                _try_until_believed(release, edge=edge, stop=stop)
            if release.state == State.SWITCHING:
                _switch(release, edge=edge, stop=stop)
        except (BlobDamaged, NotFit, TrialFailed) as fault:
            refuse_release(release, why=fault.sentence)
    if release.state == State.LIVE:
        _meet_users(release, edge=edge, stop=stop)


@contextmanager
def _tidied(release: Release, *, edge: Edge) -> Iterator[None]:
    """Nothing of a trial runs or lies about when the block ends; one that was cut short begins anew later."""
    try:
        yield
    finally:
        _cut_short(release)
        put_table(edge)
        _clear_trial(release, edge=edge)


def _cut_short(release: Release) -> None:
    if release.state == State.TRYING:
        move_release(release, to=State.APPROVED, why="its trial was cut short")


def _try_until_believed(release: Release, *, edge: Edge, stop: Stop) -> None:
    for _ in range(TRIALS - 1):
        try:
            return _try_out(release, edge=edge, stop=stop)
        except TrialDisturbed:
            continue
    return _try_out(release, edge=edge, stop=stop)


def _try_out(release: Release, *, edge: Edge, stop: Stop) -> None:
    """Drive every promise against the new release, beside the users and on a copy of their data."""
    check_release(release)
    _cut_short(release)
    disk = unpacked(release)
    put_table(edge)
    _clear_trial(release, edge=edge)
    with fake_site() as site:
        with needing_room(disk.home.database.parent, what=f"to try {release}"):
            disk.home.open_trial()
            disk.migrate_trial()
            begin_trial(release, may_fetch=site.address)
            put_table(edge)
            _wait_for_proof(release, edge=edge, stop=stop)
            with _undisturbed(release, edge=edge, stop=stop):
                _drive(release, site=site, stop=stop)
        move_release(release, to=State.SWITCHING)


@contextmanager
def _undisturbed(release: Release, *, edge: Edge, stop: Stop) -> Iterator[None]:
    """Tell what broke by itself from what broke since a process died.

    Raises:
        TrialDisturbed: one did; the block may be repeated.
    """
    before = _carriers(release, edge.state())
    try:
        yield
    except TrialFailed as fault:
        stop.wait(NOTICED_S)
        if _carriers(release, edge.state()) == before:
            raise
        raise TrialDisturbed(**fault.facts) from fault


def _carriers(release: Release, state: EdgeState) -> tuple[int | None, ...]:
    """Return who carries the answers of the release that is tried, and how often it died so far."""
    name = site_name(release.product)
    site, candidate = state.sites.get(name), state.candidate_of(name)
    proxy = site.preview_proxy_pid if site else None
    own = (candidate.pid, candidate.crashes) if candidate else ()
    return (state.keeper_pid, proxy, *own)


def _drive(release: Release, *, site: Site, stop: Stop) -> None:
    drive_promises(
        release.product.blueprint["criteria"],
        base=f"http://127.0.0.1:{place_of(release.product).preview_port}",
        tick_key=home_of(release.product).trial_secret("tick_key"),
        site=site,
        go_on=lambda: _check_may_go_on(release, stop=stop),
    )


def _switch(release: Release, *, edge: Edge, stop: Stop) -> None:
    """Start it on the users' data, let it prove itself, then let the users meet it."""
    check_release(release)
    unpacked(release).migrate_live()
    put_table(edge)
    _wait_for_proof(release, edge=edge, stop=stop)
    _check_may_go_on(release, stop=stop)
    go_live(release)


def _meet_users(release: Release, *, edge: Edge, stop: Stop) -> None:
    """Wait until users meet it, or until it was taken back."""

    def is_met(state: EdgeState) -> bool:
        release.refresh_from_db()
        return release.state != State.LIVE or _serves(release, state)

    if not _wait(is_met, edge=edge, stop=stop, at_most_s=SWITCH_S):
        raise NotServed(why=f"users do not meet {release} after {SWITCH_S} s")


def _check_may_go_on(release: Release, *, stop: Stop) -> None:
    if stop.is_set():
        raise LaunchStopped(why="asked to stop")
    if Product.objects.filter(pk=release.product_id, state=Product.State.FROZEN).exists():
        raise LaunchStopped(why="the product is frozen")


def _wait_for_proof(release: Release, *, edge: Edge, stop: Stop) -> None:
    if not _wait(lambda state: _has_proved(release, state), edge=edge, stop=stop, at_most_s=READY_S):
        raise TrialFailed(why=f"it did not prove itself within {READY_S} s")


def _wait(is_done: Callable[[EdgeState], bool], *, edge: Edge, stop: Stop, at_most_s: float) -> bool:
    end = time.monotonic() + at_most_s
    while not (done := is_done(edge.state())) and time.monotonic() < end:
        if stop.wait(LOOK_S):
            raise LaunchStopped(why="asked to stop")
    return done


def _has_proved(release: Release, state: EdgeState) -> bool:
    """Whether the candidate answered as this release; one that crashes or is late ends the wait."""
    name = site_name(release.product)
    site, candidate = state.sites.get(name), state.candidate_of(name)
    if site is None or candidate is None or candidate.release != release.digest:
        return False
    state.require_ports(name)
    if candidate.late or candidate.crashes > 1:
        raise TrialFailed(why=candidate.evidence.why)
    return site.previewing == candidate.key


def _serves(release: Release, state: EdgeState) -> bool:
    name, launch = site_name(release.product), live_launch(release, state)
    if name in state.sites:
        state.require_ports(name)
    return launch is not None and launch.ready and state.sites[name].settled


def live_launch(release: Release, state: EdgeState) -> LaunchState | None:
    """Return the launch in which users meet a live release, None when the edge runs none."""
    name = site_name(release.product)
    site = state.sites.get(name)
    if site is None:
        return None
    launch = state.candidate_of(name) if site.weight else state.stable_of(name)
    return launch if launch is not None and launch.release == release.digest else None


def _clear_trial(release: Release, *, edge: Edge) -> None:
    """Remove the trial's copy as soon as nothing of the trial runs."""
    end = time.monotonic() + GONE_S
    while _has_leaving(release, edge.state()):
        if time.monotonic() > end:
            return
        time.sleep(LOOK_S)
    home_of(release.product).close_trial()


def _has_leaving(release: Release, state: EdgeState) -> bool:
    """Whether a launch of this release still ends that nobody asks for any more."""
    name = site_name(release.product)
    site = state.sites.get(name)
    asked = {site.stable, site.candidate} if site else set()
    return any(
        launch.product == name and launch.release == release.digest and key not in asked
        for key, launch in state.launches.items()
    )
