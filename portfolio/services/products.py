"""Open products and move them along their path; every step leaves a row and a fact."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from billing.services import clear_switch, give_limits, open_scope, rename_scope, set_switch
from core.adapters.taken import until_free
from core.errors import IllegalMove
from core.ids import correlation, new_id, story_of
from core.models import User
from core.services import business_now, current_mode
from core.states import check_move
from portfolio.errors import NotToBuild
from portfolio.models import Opportunity, Product, StageChange
from portfolio.rules.lifecycle import LIFE_MOVES, MAY_BE_BUILT, MAY_BE_OPENED, STAGE_MOVES
from portfolio.services.opportunities import tell

SLUG_LIMIT = 40
EARLY_STAGES = frozenset({Product.Stage.SCAN, Product.Stage.VALIDATE})


def open_product(
    name: str,
    *,
    opportunity: Opportunity | None = None,
    owner: User | None = None,
    stage: str = Product.Stage.BUILD,
    blueprint: Mapping[str, Any] | None = None,
) -> Product:
    """Open a product with its own money; an opportunity has one product, and a repeat gives it, also one at the same moment.

    Args:
        name: how people call it.
        opportunity: what it came of; None is a reference product.
        owner: whose product it is; None is the factory's own.
        stage: where on the path it stands; before `build` the opportunity may still be untested.
        blueprint: what the owner approved, if there is one yet.

    Raises:
        NotToBuild: the opportunity is excluded, thin, a repeat, failed or declined, or `build` comes before its test.
    """
    said = dict(blueprint or {})
    return until_free(partial(_open, name, opportunity=opportunity, owner=owner, stage=stage, blueprint=said))


def _open(
    name: str,
    *,
    opportunity: Opportunity | None,
    owner: User | None,
    stage: str,
    blueprint: dict[str, Any],
) -> Product:
    if opportunity and (known := Product.objects.filter(opportunity=opportunity).first()):
        return known
    _check_opportunity(opportunity, stage)
    slug = _free_slug(name)
    story = opportunity.correlation_id if opportunity else correlation.get() or new_id()
    with story_of(story):
        scope = open_scope(kind="product", ref=slug, label=name, owner=owner)
    product = Product.objects.create(
        slug=slug,
        name=name[:80],
        opportunity=opportunity,
        scope=scope,
        owner=owner,
        stage=stage,
        blueprint=blueprint,
        mode=current_mode(),
        correlation_id=story,
        opened_at=business_now(),
    )
    _write_change(product, old="", new=stage, reason="opened", facts={})
    return product


def _check_opportunity(opportunity: Opportunity | None, stage: str) -> None:
    """Refuse to begin, or to build, what is not fit for it."""
    if opportunity is None:
        return
    opportunity.refresh_from_db(fields=["state"])
    if opportunity.state not in (MAY_BE_OPENED if stage in EARLY_STAGES else MAY_BE_BUILT):
        raise NotToBuild(opportunity=opportunity.name, state=opportunity.get_state_display())


def _free_slug(name: str) -> str:
    base = slugify(name)[:SLUG_LIMIT].strip("-") or "product"
    taken = set(
        Product.objects.filter(slug__startswith=base[: SLUG_LIMIT - 4]).values_list("slug", flat=True)
    )
    numbered = (f"{base[: SLUG_LIMIT - 4].strip('-')}-{number}" for number in range(2, 1000))
    return next(slug for slug in (base, *numbered) if slug not in taken)


@transaction.atomic
def change_stage(product: Product, *, to: str, reason: str, **facts: object) -> StageChange:
    """Move a product along its path; the first `grow` launches it. A repeat gives the change that was made.

    Raises:
        IllegalMove: the path does not lead from where it stands now to there.
        NotToBuild: its opportunity did not pass its test.
    """
    product.refresh_from_db(fields=["stage"])
    old = product.stage
    if old == to and (made := product.changes.filter(new=to).last()):
        return made
    check_move(STAGE_MOVES, old=old, new=to)
    if to not in EARLY_STAGES:
        _check_opportunity(product.opportunity, to)
    if not Product.objects.filter(pk=product.pk, stage=old).update(stage=to):
        raise IllegalMove(old=old, new=to)
    if to == Product.Stage.GROW:
        _launch(product)
    product.refresh_from_db(fields=["stage", "state", "launched_at"])
    return _write_change(product, old=old, new=to, reason=reason, facts=facts)


def _launch(product: Product) -> None:
    """From its first day on, what a live product may cost is limited by the day too."""
    if Product.objects.filter(pk=product.pk, launched_at=None).update(launched_at=business_now()):
        give_limits(product.scope, row="live_product")
    Product.objects.filter(pk=product.pk, state=Product.State.BUILDING).update(state=Product.State.LAUNCHED)


@transaction.atomic
def freeze_product(product: Product, *, reason: str, by: str = "system") -> StageChange:
    """Stop a product's new work, and its money from the next call on; what is live goes on serving.

    Raises:
        IllegalMove: it is frozen already.
    """
    change = _change_life(product, to=Product.State.FROZEN, reason=reason)
    set_switch("product", product.scope.ref, by=by, reason=reason)
    return change


@transaction.atomic
def thaw_product(product: Product, *, reason: str, by: str = "system") -> StageChange:
    """Let a frozen product go on from where it was.

    Raises:
        IllegalMove: it is not frozen.
    """
    change = _change_life(
        product, to=Product.State.LAUNCHED if product.launched_at else Product.State.BUILDING, reason=reason
    )
    clear_switch("product", product.scope.ref, by=by)
    return change


@transaction.atomic
def _change_life(product: Product, *, to: str, reason: str) -> StageChange:
    product.refresh_from_db(fields=["state"])
    old = product.state
    check_move(LIFE_MOVES, old=old, new=to)
    if not Product.objects.filter(pk=product.pk, state=old).update(state=to):
        raise IllegalMove(old=old, new=to)
    product.refresh_from_db(fields=["state"])
    return _write_change(product, old=old, new=to, reason=reason, facts={})


def _write_change(
    product: Product, *, old: str, new: str, reason: str, facts: Mapping[str, object]
) -> StageChange:
    change = StageChange.objects.create(
        product=product,
        old=old,
        new=new,
        reason=reason[:300],
        facts=dict(facts),
        correlation_id=product.correlation_id,
        at=business_now(),
    )
    tell(
        "portfolio.stage_changed", story=product.correlation_id, product_id=str(product.pk), old=old, new=new
    )
    return change


@transaction.atomic
def adopt_blueprint(product: Product, *, blueprint: Mapping[str, Any]) -> None:
    """Keep what the owner approved and take its name; until strangers know the address, it follows. Safe to run twice."""
    name = str(blueprint.get("name") or product.name)[:80]
    Product.objects.filter(pk=product.pk).update(blueprint=dict(blueprint))
    until_free(partial(_rename, product, name))
    product.refresh_from_db(fields=["blueprint", "name", "slug"])


def _rename(product: Product, name: str) -> None:
    slug = product.slug if product.url or product.name == name else _free_slug(name)
    Product.objects.filter(pk=product.pk).update(name=name, slug=slug)
    rename_scope(product.scope, ref=slug, label=name)


def place_product(product: Product, *, url: str) -> None:
    """Keep where people find the product. Safe to run twice."""
    Product.objects.filter(pk=product.pk).update(url=url)
    product.refresh_from_db(fields=["url"])
