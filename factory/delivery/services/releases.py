"""A release changes its state here and nowhere else."""

from uuid import UUID

from django.db import transaction
from django.db.models import F

from approvals.rules import digest_of_effect
from approvals.services import use_decision
from core.errors import IllegalMove
from core.services import audit, business_now, publish
from core.states import sources
from factory.delivery.errors import NotFit
from factory.delivery.models import Release
from factory.delivery.rules import MOVES, version_after
from factory.quality.models import Verdict
from factory.work.models import Artifact
from portfolio.models import Product

ACTION = "delivery.release"


@transaction.atomic
def propose_release(*, product: Product, artifact: Artifact, verdict: Verdict) -> Release:
    """Make the release of `artifact` that the owner will be asked about; a repeat returns the first.

    Raises:
        NotFit: the verdict is no pass, or speaks of another artifact.
    """
    if not verdict.passed or verdict.artifact_id != artifact.pk:
        raise NotFit(why="no passing verdict on this very artifact")
    known = Release.objects.filter(artifact=artifact).first()
    if known is not None:
        return known
    versions = list(Release.objects.of(product).values_list("version", flat=True))
    return Release.objects.create(
        product=product,
        artifact=artifact,
        verdict=verdict,
        version=version_after(versions),
        digest=artifact.blob_id,
    )


def binds_of(release: Release) -> dict[str, str]:
    """Return what an approval of this release is bound to."""
    return {"artifact": release.digest, "verdict": str(release.verdict_id)}


def arguments_of(release: Release, *, task_id: UUID) -> dict[str, str]:
    """Return the arguments of the action that the owner approves."""
    return {"release_id": str(release.pk), "task_id": str(task_id)}


@transaction.atomic
def approve_release(release: Release, *, task_id: UUID) -> None:
    """Use the owner's approval of exactly this release and let it begin.

    Raises:
        ApprovalMissing: none is in force; nothing happened.
    """
    digest = digest_of_effect(ACTION, arguments_of(release, task_id=task_id), binds_of(release))
    decision = use_decision(action=ACTION, digest=digest)
    Release.objects.filter(pk=release.pk).update(decision=decision)
    move_release(release, to=Release.State.APPROVED)


@transaction.atomic
def move_release(release: Release, *, to: str, why: str = "", **columns: object) -> None:
    """Change the state of one release, together with `columns`.

    Raises:
        IllegalMove: its state in the database does not allow that; nothing changed.
    """
    allowed = Release.objects.filter(pk=release.pk, state__in=sources(MOVES, new=to))
    if not allowed.update(state=to, why=why, **columns):
        raise IllegalMove(release=str(release), to=to)
    release.refresh_from_db()
    audit(actor="system", verb=f"delivery.{to}", subject=str(release), digest=release.digest, why=why)
    publish(
        "delivery.release_advanced", release_id=str(release.pk), state=to, product_id=str(release.product_id)
    )


@transaction.atomic
def go_live(release: Release) -> None:
    """Let users meet `release`; the one before it stands by until this one is trusted."""
    before = Release.objects.live().filter(product=release.product).first()
    Release.objects.filter(product=release.product, state=Release.State.STANDBY).update(
        state=Release.State.RETIRED, ended_at=business_now()
    )
    now = business_now()
    if before is not None:
        move_release(before, to=Release.State.STANDBY)
    is_first = before is None
    move_release(
        release, to=Release.State.LIVE, live_at=now, trusted_at=now if is_first else None, red_probes=0
    )


@transaction.atomic
def trust(release: Release) -> bool:
    """Let the release before go; say whether that was news."""
    fresh = Release.objects.live().filter(pk=release.pk, trusted_at=None)
    if not fresh.update(trusted_at=business_now()):
        return False
    for old in Release.objects.filter(product=release.product, state=Release.State.STANDBY):
        move_release(old, to=Release.State.RETIRED, ended_at=business_now())
    return True


@transaction.atomic
def refuse_release(release: Release, *, why: str) -> None:
    """End a release before users met it."""
    move_release(release, to=Release.State.REFUSED, why=why, ended_at=business_now())
    publish("delivery.release_refused", release_id=str(release.pk), product_id=str(release.product_id))


@transaction.atomic
def roll_back(release: Release, *, why: str) -> Release | None:
    """Take a live release back; the one before serves again. None: there is none, so it stays and the owner is told.

    Only the platform calls this, and only this way: it never brings forward what the owner took back.
    """
    before = (
        Release.objects.of(release.product)
        .filter(state__in=[Release.State.STANDBY, Release.State.RETIRED], version__lt=release.version)
        .first()
    )
    if before is None:
        publish("delivery.nothing_to_go_back_to", release_id=str(release.pk), why=why)
        return None
    now = business_now()
    move_release(release, to=Release.State.ROLLED_BACK, why=why, ended_at=now)
    move_release(before, to=Release.State.LIVE, live_at=now, trusted_at=now, red_probes=0, ended_at=None)
    publish("delivery.rolled_back", release_id=str(release.pk), to_release_id=str(before.pk), why=why)
    return before


def note_probe(release: Release, *, is_green: bool) -> int:
    """Count failed probes in a row; return how many there are now."""
    live = Release.objects.live().filter(pk=release.pk)
    live.update(red_probes=0 if is_green else F("red_probes") + 1)
    return live.values_list("red_probes", flat=True).first() or 0
