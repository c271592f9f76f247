"""Hands for tests: carry releases over a scripted edge, look at what came of it, and die in between."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from core.models import AuditRow
from core.registry import Stop
from factory.delivery.models import Release
from factory.delivery.ports import Site
from factory.delivery.services import carry_release, put_table
from factory.delivery.services.places import home_of, place_of, site_name, unpacked
from factory.delivery.services.releases import (
    approve_release,
    begin_trial,
    go_live,
    move_release,
)
from tests.factory.delivery.scripted import ScriptedEdge, answering
from tests.factory.delivery.venture import Launch, Venture, a_small_release

State = Release.State
HALF_AN_HOUR = timedelta(minutes=30)


def carry(launch: Launch, edge: ScriptedEdge, *, post: int = 200, stop: Stop | None = None) -> Release:
    """Carry a release over a scripted edge; at the preview port a product answers."""
    place = place_of(launch.release.product)
    with answering(place.preview_port, post=lambda: post):
        return carry_release(launch.release, task_id=launch.task.pk, stop=stop or Stop(), edge=edge)


def a_live_release(venture: Venture, edge: ScriptedEdge, number: str) -> Launch:
    """Return a release that users meet."""
    launch = venture.approved(a_small_release(number))
    assert carry(launch, edge).state == State.LIVE
    return launch


def states(venture: Venture) -> dict[int, str]:
    """Return where each release stands, by version."""
    return dict(Release.objects.of(venture.product).values_list("version", "state"))


def site_of(venture: Venture, edge: ScriptedEdge) -> Site | None:
    """Return what the edge was told last about the product."""
    return edge.products.get(site_name(venture.product))


def slots(site: Site | None) -> tuple[str | None, str | None, int]:
    """Return the releases in both slots, by digest, and the weight."""
    assert site is not None
    stable, candidate = (spec.release if spec else None for spec in (site.stable, site.candidate))
    return stable, candidate, site.weight


def steps_in(database: Path) -> list[str]:
    """Return what migrations left in a database."""
    with closing(sqlite3.connect(database)) as base:
        return [number for (number,) in base.execute("SELECT number FROM steps")]


def moves_of(launch: Launch) -> list[str]:
    """Return how a release went, from its audit rows."""
    rows = AuditRow.objects.filter(subject=str(launch.release), verb__startswith="delivery.")
    return [row.verb.removeprefix("delivery.") for row in rows.order_by("id")]


def die_while_trying(launch: Launch, edge: ScriptedEdge) -> None:
    """Stop dead in the trial."""
    approve_release(launch.release, task_id=launch.task.pk)
    place_of(launch.release.product)
    home_of(launch.release.product).open_trial()
    begin_trial(launch.release, may_fetch="http://127.0.0.1:9")
    put_table(edge)


def die_before_the_trial(launch: Launch, edge: ScriptedEdge) -> None:
    """Stop dead when the approval was used."""
    approve_release(launch.release, task_id=launch.task.pk)


def die_before_the_switch(launch: Launch, edge: ScriptedEdge) -> None:
    """Stop dead when the trial went well and the data was migrated."""
    die_while_trying(launch, edge)
    move_release(launch.release, to=State.SWITCHING)
    unpacked(launch.release).migrate_live()


def die_before_the_edge_is_told(launch: Launch, edge: ScriptedEdge) -> None:
    """Stop dead when the rows say live, and the edge does not know."""
    die_before_the_switch(launch, edge)
    put_table(edge)
    go_live(launch.release)
