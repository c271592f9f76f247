"""A release changes its state here and nowhere else."""

from uuid import UUID

from django.db import transaction
from django.db.models import F

from approvals.models import Request
from approvals.rules import digest_of_effect
from approvals.services import use_decision
from core.ids import story_of
from core.models import AuditRow
from core.services import audit, business_now, publish, read_blob
from core.states import check_move
from factory.delivery.errors import NotFit, ReleaseChanged
from factory.delivery.models import EdgeOrder, Release
from factory.delivery.rules import MOVES, RED_PROBES, RUNS, version_after
from factory.quality.models import Verdict
from factory.work.models import Artifact
from factory.work.services import Deed
from portfolio.models import Product

ACTION = "delivery.release"
State = Release.State


@transaction.atomic
def propose_release(*, product: Product, artifact: Artifact) -> Release:
    """Make the release of `artifact` that the owner will be asked about; a repeat returns the first.

    Raises:
        NotFit: nobody tested it, or the newest verdict on it is red.
    """
    verdict = _green_verdict(artifact)
    known = Release.objects.filter(artifact=artifact).first()
    if known is not None:
        return known
    versions = list(Release.objects.of(product).values_list("version", flat=True))
    return Release.objects.create(
        product=product,
        artifact=artifact,
        verdict=verdict,
        version=version_after(versions),
        digest=verdict.digest,
    )


def _green_verdict(artifact: Artifact) -> Verdict:
    newest = Verdict.objects.filter(artifact=artifact).order_by("-at", "-id").first()
    if newest is None:
        raise NotFit(why="nobody tested it")
    if newest.digest != artifact.blob_id:
        raise NotFit(why="other bytes were tested")
    if not newest.passed:
        raise NotFit(why="the newest verdict on it is red", reasons="; ".join(map(str, newest.reasons)))
    return newest


def check_release(release: Release) -> None:
    """Nothing, when the release is still what was tested and approved.

    Raises:
        NotFit: a later verdict on it is red.
        BlobDamaged: the stored artifact is gone or was changed.
    """
    _green_verdict(release.artifact)
    read_blob(release.digest)


def binds_of(release: Release) -> dict[str, str]:
    """Return what an approval of this release is bound to."""
    return {"artifact": release.digest, "verdict": str(release.verdict_id)}


def arguments_of(release: Release, *, task_id: UUID) -> dict[str, str]:
    """Return the arguments of the action that the owner approves."""
    return {"release_id": str(release.pk), "task_id": str(task_id)}


def opening_of(release: Release) -> Deed:
    """Return what a yes to this release does outside: it may be begun again, since it goes on where it was."""
    return Deed(
        purpose="delivery.open_release",
        arguments={"release_id": str(release.pk), "digest": release.digest},
        title=f"Open version {release.version} of {release.product.name} to its users",
        can_repeat=True,
    )


def is_approved(release: Release, *, task_id: UUID) -> bool:
    """Say whether an unused approval of exactly this release is in force."""
    digest = _digest_of(release, task_id=task_id)
    return Request.objects.in_force(action=ACTION, digest=digest, now=business_now()).exists()


@transaction.atomic
def approve_release(release: Release, *, task_id: UUID) -> None:
    """Use the owner's approval of exactly this release and let it begin.

    Raises:
        ApprovalMissing: none is in force; nothing happened.
    """
    decision = use_decision(action=ACTION, digest=_digest_of(release, task_id=task_id))
    move_release(release, to=State.APPROVED, decision=decision)


def _digest_of(release: Release, *, task_id: UUID) -> str:
    return digest_of_effect(ACTION, arguments_of(release, task_id=task_id), binds_of(release))


@transaction.atomic
def move_release(release: Release, *, to: str, why: str = "", **columns: object) -> None:
    """Change the state of one release as it was read, together with `columns`, and write down why.

    Raises:
        IllegalMove: no release may go that way.
        ReleaseChanged: it is no longer as it was read; nothing changed.
    """
    old = release.state
    check_move(MOVES, old=old, new=to)
    if not Release.objects.filter(pk=release.pk, state=old).update(state=to, why=why, **columns):
        raise ReleaseChanged(release=str(release), was_read_as=old, wanted=to)
    if RUNS & {old, to}:
        _count_table()
    release.refresh_from_db()
    with story_of(release.product.correlation_id):
        audit(
            actor="system",
            verb=f"delivery.{to}",
            subject=str(release),
            digest=release.digest,
            why=why,
            old=old,
        )
        publish(
            "delivery.release_advanced",
            release_id=str(release.pk),
            state=to,
            product_id=str(release.product_id),
        )


def _count_table() -> None:
    _lock_table()
    EdgeOrder.objects.update(generation=F("generation") + 1)


def _lock_table() -> None:
    """Whoever moves more than one release takes this row first: nobody then acts on what another just changed."""
    EdgeOrder.objects.select_for_update().get_or_create(id=1)


@transaction.atomic
def begin_trial(release: Release, *, may_fetch: str) -> None:
    """Let an approved release be tried; an older one that is stuck on its way gives way.

    Raises:
        NotFit: a newer one is on its way.
    """
    _lock_table()
    for other in Release.objects.of(release.product).coming().exclude(pk=release.pk):
        if other.version > release.version:
            raise NotFit(why=f"version {other.version} is on its way")
        refuse_release(other, why=f"version {release.version} came before it was through")
    move_release(release, to=State.TRYING, trial_fetch=may_fetch)


@transaction.atomic
def go_live(release: Release) -> None:
    """Let users meet `release`; the one before it stands by until this one is trusted.

    Raises:
        ReleaseChanged: somebody else did; nothing changed.
    """
    _lock_table()
    now, others = business_now(), Release.objects.of(release.product).exclude(pk=release.pk)
    before = others.live().first()
    if before is not None:
        for old in others.filter(state=State.STANDBY):
            move_release(old, to=State.RETIRED, ended_at=now)
        move_release(before, to=State.STANDBY)
    trusted_at = None if before else now
    move_release(release, to=State.LIVE, live_at=now, trusted_at=trusted_at, red_probes=0, ended_at=None)


@transaction.atomic
def trust(release: Release) -> bool:
    """Let the release before go; say whether that was news."""
    _lock_table()
    now = business_now()
    if not Release.objects.live().filter(pk=release.pk, trusted_at=None).update(trusted_at=now):
        return False
    for old in Release.objects.of(release.product).filter(state=State.STANDBY):
        move_release(old, to=State.RETIRED, ended_at=now)
    return True


@transaction.atomic
def refuse_release(release: Release, *, why: str) -> None:
    """End a release before users met it."""
    move_release(release, to=State.REFUSED, why=why, ended_at=business_now())


@transaction.atomic
def drop_question(request_id: UUID | str) -> None:
    """End the release that a withdrawn question was about. Safe to run twice."""
    asked_about = Request.objects.get(pk=request_id).arguments["release_id"]
    for release in Release.objects.filter(pk=asked_about, state=State.ASKED):
        refuse_release(release, why="the question was taken back")


@transaction.atomic
def roll_back(release: Release, *, why: str) -> Release | None:
    """Take a live release back; the one before serves again. None: there is none, so it stays.

    Only the platform calls this, and only this way: it never brings forward what the owner took back.

    Raises:
        ReleaseChanged: it is not live any more; nothing changed.
    """
    _lock_table()
    before = Release.objects.of(release.product).to_go_back_to().first()
    if before is None:
        return None
    now = business_now()
    move_release(release, to=State.ROLLED_BACK, why=why, ended_at=now)
    move_release(before, to=State.LIVE, live_at=now, trusted_at=now, red_probes=0, ended_at=None)
    with story_of(release.product.correlation_id):
        publish("delivery.rolled_back", release_id=str(release.pk), to_release_id=str(before.pk), why=why)
    return before


@transaction.atomic
def note_probe(release: Release, *, is_red: bool, why: str) -> bool:
    """Count failed probes of a live release in a row; say whether it is red now. It turns red once, and that is told."""
    live = Release.objects.live().filter(pk=release.pk)
    if not is_red:
        live.exclude(red_probes=0).update(red_probes=0)
        return False
    live.update(red_probes=F("red_probes") + 1)
    count = live.values_list("red_probes", flat=True).first() or 0
    if count == RED_PROBES:
        with story_of(release.product.correlation_id):
            audit(
                actor="system", verb="delivery.turned_red", subject=str(release),
                outcome=AuditRow.Outcome.FAILED, why=why,
            )  # fmt: skip
            publish("delivery.release_turned_red", release_id=str(release.pk), why=why)
    return count >= RED_PROBES
