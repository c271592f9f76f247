"""What a blueprint must say before the owner is asked. Source: R-10.10, R-10.11."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from core.errors import FactoryError
from factory.pipeline.errors import BlueprintInvalid
from factory.quality.rules.criteria import Criterion, parse_criteria

Json = Mapping[str, Any]
TEMPLATE = "saas-py"
PRICE_RANGE_USD = (9, 49)


def check_blueprint(
    blueprint: Json, *, build_cap_usd: Decimal, price_range_usd: tuple[int, int] = PRICE_RANGE_USD
) -> tuple[Criterion, ...]:
    """Give the criteria of a blueprint that keeps every rule.

    Args:
        blueprint: an answer that already fits its schema.
        build_cap_usd: what a build may cost at most.
        price_range_usd: lowest and highest price a month; a reference product may name its own.

    Raises:
        BlueprintInvalid: lists every fault.
    """
    faults = list(_faults(blueprint, price_range_usd, build_cap_usd))
    try:
        criteria = parse_criteria(blueprint["criteria"])
    except FactoryError as fault:
        raise BlueprintInvalid(faults=[*faults, fault.sentence]) from fault
    features = {feature["id"] for feature in blueprint["features"]}
    promised = {criterion.feature for criterion in criteria}
    faults += [f"{name} is promised by no criterion" for name in sorted(features - promised)]
    faults += [f"a criterion belongs to {name}, which is no feature" for name in sorted(promised - features)]
    if faults:
        raise BlueprintInvalid(faults=faults)
    return criteria


def _faults(blueprint: Json, price_range_usd: tuple[int, int], build_cap_usd: Decimal) -> Iterator[str]:
    low, high = price_range_usd
    names = [feature["id"] for feature in blueprint["features"]]
    if len(names) != len(set(names)):
        yield "two features have one id"
    for price in blueprint["prices"]:
        if not low <= price["usd_month"] <= high:
            yield f"{price['plan']} costs ${price['usd_month']} a month, allowed are ${low} to ${high}"
    if blueprint["stack_template"] != TEMPLATE:
        yield f"the stack is {blueprint['stack_template']}, there is only {TEMPLATE}"
    if blueprint["maximum_investment_usd"] > build_cap_usd:
        yield f"it may cost ${blueprint['maximum_investment_usd']}, a build may cost ${build_cap_usd:f} at most"
