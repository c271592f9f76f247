"""The shapes in which agents answer: strict schemas, every key named, no free keys."""

from collections.abc import Sequence
from typing import Any

from factory.quality.rules.criteria import CRITERION, STEP

Json = dict[str, Any]


def _object(**fields: Json) -> Json:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _list(item: Json, **bounds: int) -> Json:
    return {"type": "array", "items": item, **bounds}


def _whole(low: int, high: int | None = None) -> Json:
    return {"type": "integer", "minimum": low, **({} if high is None else {"maximum": high})}


ANY: Json = {"type": "string"}
TEXT: Json = {"type": "string", "minLength": 1}
SHORT: Json = {"type": "string", "minLength": 1, "maxLength": 80}
PARTS = ("scaffold", "core", "api", "pages", "integration", "test", "deploy")

RESEARCH: Json = {
    "title": "Research",
    **_object(
        summary=TEXT,
        problem=TEXT,
        competitors=_list(_object(name=SHORT, price=ANY)),
        trend={"enum": ["rising", "flat", "falling", "unknown"]},
    ),
}
CORE_FUNCTION = _object(
    kind=SHORT,
    sentence=TEXT,
    label=SHORT,
    app={"type": "string", "pattern": r"^[a-z][a-z0-9_]*$"},
    entity={"type": "string", "pattern": r"^[A-Z]\w*$"},
    language={"enum": ["en", "de", "fr", "es"]},
    rule=TEXT,
    alert=TEXT,
    fields=_list(
        _object(name=SHORT, kind={"enum": ["text", "url", "date", "count"]}, label=SHORT),
        minItems=1,
        maxItems=5,
    ),
)
PRICE = _object(plan=SHORT, usd_month=_whole(1, 49), limit=_whole(1), history_days=_whole(1))
BLUEPRINT: Json = {
    "title": "Blueprint",
    "$defs": {"step": STEP},
    **_object(
        name=SHORT,
        tagline=TEXT,
        fit={"enum": ["high", "low"]},
        core_function=CORE_FUNCTION,
        features=_list(_object(id=SHORT, title=TEXT), minItems=1, maxItems=5),
        excluded=_list(_object(feature=TEXT, why=TEXT), minItems=1),
        prices=_list(PRICE, minItems=1, maxItems=3),
        criteria=_list(CRITERION, minItems=3),
        stack_template=SHORT,
        model=SHORT,
        customer=TEXT,
        channels=_list(TEXT, minItems=1),
        build_days=_whole(1, 30),
        monthly_infrastructure_usd=_whole(0),
        break_even_users=_whole(1),
        day_30_target_usd=_whole(0),
        day_90_target_usd=_whole(0),
        maximum_investment_usd=_whole(1),
    ),
}
PLANNED_TASK = _object(
    id=SHORT,
    type={"enum": ["code", "test", "deploy", "review"]},
    part={"enum": list(PARTS)},
    agent={"enum": ["Rex", "Pixel", "Hawk", "Forge"]},
    title=TEXT,
    spec=TEXT,
    acceptance=_list(TEXT, minItems=1),
    capabilities=_list(SHORT),
    max_cost_usd=_whole(1),
    max_minutes=_whole(5, 240),
)
PLAN: Json = {
    "title": "Plan",
    **_object(
        tasks=_list(PLANNED_TASK, minItems=3),
        edges=_list(_object(before=SHORT, after=SHORT), minItems=2),
    ),
}
NOTE = _object(file=TEXT, line=_whole(1), severity={"enum": ["high", "low"]}, criterion=ANY, text=TEXT)
REVIEW_NOTES: Json = {
    "title": "ReviewNotes",
    "$defs": {"step": STEP, "criterion": CRITERION},
    **_object(
        verdict={"enum": ["pass", "fail"]},
        summary=TEXT,
        notes=_list(NOTE),
        cases=_list({"$ref": "#/$defs/criterion"}),
    ),
}


def advice_on(letters: Sequence[str]) -> Json:
    """Return the shape of advice on these letters and no others."""
    choice = {"enum": ["retry", "change", "cancel", "continue"]}
    advice = _object(letter={"enum": list(letters)}, choice=choice, why=TEXT)
    return {"title": "Advice", **_object(advice=_list(advice, minItems=1))}
