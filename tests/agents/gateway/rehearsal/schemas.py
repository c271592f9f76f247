"""Answer schemas as the platform sends them: strict, every key named, no free keys."""

from typing import Any

Json = dict[str, Any]


def _object(**fields: Any) -> Json:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _list(item: Json, **bounds: int) -> Json:
    return {"type": "array", "items": item, **bounds}


TEXT, SHORT = {"type": "string", "minLength": 1}, {"type": "string", "minLength": 1, "maxLength": 80}
ANY, WHOLE = {"type": "string"}, {"type": "integer", "minimum": 0}
PAIRS = _list(_object(name=SHORT, value=ANY))
STEP = _object(
    **{"as": {"enum": ["anna", "bert", "nobody", "ticker", "site"]}},
    method={"enum": ["GET", "POST", "PUT", "DELETE"]},
    path={"type": "string", "pattern": r"^(/|\{)"},
    form=PAIRS,
    json=PAIRS,
    headers=PAIRS,
    times={"type": "integer", "minimum": 1},
    keep=ANY,
)
# anna, bert: two signed-up owners (the driver signs them up before their first step); nobody: no session; ticker: sends X-Tick-Key; site: sets a page of a fake web site ({site} in texts is its address; form status+text)
# keep: a regular expression whose group 1 is kept as {kept} for later steps. X-Test-Now in headers moves the product's clock. {tick_key} in values is filled by the driver.
CRITERION = _object(
    id={"type": "string", "pattern": r"^[a-z0-9-]+$"},
    feature={"type": "string", "pattern": r"^F[1-5]$"},
    given=_list(STEP),
    when={"$ref": "#/$defs/step"},
    then=_object(
        status={"type": "integer", "minimum": 200, "maximum": 599}, text=ANY, absent=ANY, times=WHOLE
    ),
)
BLUEPRINT = {
    "title": "Blueprint",
    "$defs": {"step": STEP},
    **_object(
        name=SHORT,
        tagline=TEXT,
        fit={"enum": ["high", "low"]},
        core_function=_object(
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
        ),
        features=_list(_object(id=SHORT, title=TEXT), minItems=1, maxItems=5),
        excluded=_list(_object(feature=TEXT, why=TEXT), minItems=1),
        prices=_list(
            _object(
                plan=SHORT,
                usd_month={"type": "integer", "minimum": 1, "maximum": 49},
                limit={"type": "integer", "minimum": 1},
                history_days={"type": "integer", "minimum": 1},
            ),
            minItems=1,
            maxItems=3,
        ),
        criteria=_list(CRITERION, minItems=3),
        stack_template=SHORT,
        model=SHORT,
        customer=TEXT,
        channels=_list(TEXT, minItems=1),
        build_days={"type": "integer", "minimum": 1, "maximum": 30},
        monthly_infrastructure_usd=WHOLE,
        break_even_users={"type": "integer", "minimum": 1},
        day_30_target_usd=WHOLE,
        day_90_target_usd=WHOLE,
        maximum_investment_usd={"type": "integer", "minimum": 1},
    ),
}
PLAN = {
    "title": "Plan",
    **_object(
        tasks=_list(
            _object(
                id=SHORT,
                type={"enum": ["code", "test", "deploy", "review"]},
                part={"enum": ["scaffold", "core", "api", "pages", "integration", "test", "deploy"]},
                agent={"enum": ["Rex", "Pixel", "Hawk", "Forge"]},
                title=TEXT,
                spec=TEXT,
                acceptance=_list(TEXT, minItems=1),
                capabilities=_list(SHORT),
                max_cost_usd={"type": "integer", "minimum": 1},
                max_minutes={"type": "integer", "minimum": 5, "maximum": 240},
            ),
            minItems=3,
        ),
        edges=_list(_object(before=SHORT, after=SHORT), minItems=2),
    ),
}
# the plan Kev gives: scaffold(Forge, job) > core(Rex) > {api(Rex) || pages(Pixel)} > integration(Rex) > test(Hawk) > deploy(Forge)
NOTES = {
    "title": "ReviewNotes",
    **_object(
        verdict={"enum": ["pass", "fail"]},
        summary=TEXT,
        notes=_list(
            _object(
                file=TEXT,
                line={"type": "integer", "minimum": 1},
                severity={"enum": ["high", "low"]},
                criterion=ANY,
                text=TEXT,
            )
        ),
        cases=_list({"$ref": "#/$defs/criterion"}),
    ),
    "$defs": {"step": STEP, "criterion": CRITERION},
}
# notes: Hawk's second opinion; cases: added test cases (may only add)
RESEARCH = {
    "title": "Research",
    **_object(
        summary=TEXT,
        problem=TEXT,
        competitors=_list(_object(name=SHORT, price=ANY)),
        trend={"enum": ["rising", "flat", "falling", "unknown"]},
    ),
}
