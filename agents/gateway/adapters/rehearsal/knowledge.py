"""What the rehearsal model knows beyond any schema: hints for the answers whose title or keys it recognises."""

import json
import math
import re
from typing import Any

from .cores import CORES
from .cores.criteria import criterion, step
from .cores.frame import final, typed
from .cores.product import Core, Product
from .dice import Dice
from .reading import as_product, differences, find_product, find_sources
from .schema import NOTHING
from .wire import Ask
from .words import Idea, find_idea, framed, read_idea, said_once

Json = dict[str, Any]
_TASKS = (  # part, agent, type, title, US dollars, minutes
    ("scaffold", "Forge", "code", "Lay the skeleton out", 1, 10),
    ("core", "Rex", "code", "Rows, rules and what time brings", 4, 45),
    ("api", "Rex", "code", "The JSON API", 3, 30),
    ("pages", "Pixel", "code", "The pages", 3, 30),
    ("integration", "Rex", "code", "Join pages, API, texts and plans", 3, 30),
    ("test", "Hawk", "test", "Break it, measure it, judge it", 3, 30),
    ("deploy", "Forge", "deploy", "Release it", 1, 15),
)
_EDGES = (
    ("scaffold", "core"), ("core", "api"), ("core", "pages"), ("api", "integration"), ("pages", "integration"),
    ("integration", "test"), ("test", "deploy"),
)  # fmt: skip
_INFRASTRUCTURE_USD = 6
_RISING = re.compile(r"\b(?:growing|rising|more and more|again and again|every year|often)\b", re.I)
_ENDINGS = ("Keeper", "Light", "Proof", "Desk", "Post")
_EXCLUDED = (
    {"feature": "Text messages and phone calls", "why": "Each costs money; mail, page and webhook do not"},
    {"feature": "Import from other services", "why": "Every service differs: needs a real model"},
    {"feature": "Several people in one account", "why": "The first version serves one owner"},
)
_FEATURES = (
    "A list of {label} with a form and a JSON API, for its owner alone",
    "A history of each, as far back as the plan goes",
    "Room for as many as the plan says, and more by paying",
)


def hint_for(schema: Json, ask: Ask, dice: Dice) -> Any:
    """What to say under that schema, told by a key that it has, or NOTHING."""
    known = {"core_function": blueprint, "edges": plan, "verdict": review, "competitors": research}
    make = next((make for key, make in known.items() if key in schema.get("properties", {})), None)
    return make(ask, dice) if make else NOTHING


def blueprint(ask: Ask, dice: Dice) -> Json:
    """The product that this idea becomes: only what will be written is promised."""
    first = ask.turns[0].text
    told = find_idea(first) or first
    idea = read_idea(said_once(told), owner=framed("owner", first), rule=first.replace(told, ""))
    core = CORES[idea.core]
    name = idea.name or idea.label.split()[0] + dice.pick("name", _ENDINGS)
    own, *more = (feature.format(label=idea.label) for feature in _FEATURES)
    features = (own, *core.features, *more)
    said: Json = {
        "name": name, "fit": "high" if idea.is_fit else "low",
        "tagline": idea.text if len(idea.text) < 90 else core.tagline.format(label=idea.label),
        "core_function": _core_function(idea, core),
        "features": [{"id": f"F{n}", "title": title} for n, title in enumerate(features, 1)],
        "excluded": _excluded(idea),
        "prices": [{"plan": p.name, "usd_month": p.usd_month, "limit": p.limit, "history_days": p.history_days} for p in idea.plans],
        "stack_template": "saas-py", "model": "monthly subscription",
        "customer": f"Small teams that answer for {idea.label.lower()} and want to be told in time",
        "channels": ["Threads in which people voiced the problem", "Directories of small software", "A comparison page for each competitor"],
        **_money(idea),
    }  # fmt: skip
    product = as_product(said)
    return {**said, "criteria": core.criteria(product) if product else []}


def _core_function(idea: Idea, core: Core) -> Json:
    fields = [{"name": f.name, "kind": f.kind, "label": f.labels[idea.language]} for f in idea.fields]
    names = {"label": idea.label, "app": idea.app, "entity": idea.entity, "language": idea.language}
    alert = Product("", "", idea.core, "", "", "", idea.language, (), ()).phrases[core.alert]
    rule, sentence = core.features[1], core.features[0]
    return {"kind": idea.core, "sentence": sentence, **names, "rule": rule, "alert": alert, "fields": fields}


def _excluded(idea: Idea) -> list[Json]:
    """What is left out, and why; the idea's own left-over words come first."""
    if not idea.leftovers or idea.is_fit:
        return list(_EXCLUDED)
    more = f"What else the idea speaks of: {', '.join(idea.leftovers[:6])}"
    return [{"feature": more, "why": "No known core does it: needs a real model"}, *_EXCLUDED]


def _money(idea: Idea) -> Json:
    """Costs and targets that follow from the first price."""
    price = idea.plans[0].usd_month
    kept = price * 0.971 - 0.30  # what the payment service leaves
    return {
        "build_days": 3, "monthly_infrastructure_usd": _INFRASTRUCTURE_USD,
        "break_even_users": max(1, math.ceil(_INFRASTRUCTURE_USD / max(0.5, kept))),
        "day_30_target_usd": 15 * price, "day_90_target_usd": 60 * price, "maximum_investment_usd": 70,
    }  # fmt: skip


def plan(ask: Ask, dice: Dice) -> Json:
    """The tasks of a build: API beside pages, Hawk before any release."""
    product = find_product(ask.text)
    thing = product.label if product else "the product"
    tasks = [
        {
            "id": part, "type": kind, "part": part, "agent": agent, "title": title, "spec": f"{title}, for {thing}, as the blueprint says.",
            "acceptance": [f"The tests of the part {part} pass" if kind == "code" else "Every promised criterion holds"],
            "capabilities": [], "max_cost_usd": cost, "max_minutes": minutes,
        }
        for part, agent, kind, title, cost, minutes in _TASKS
    ]  # fmt: skip
    return {"tasks": tasks, "edges": [{"before": before, "after": after} for before, after in _EDGES]}


def review(ask: Ask, dice: Dice) -> Any:
    """What is wrong in the sources that the messages show, as far as the blueprint they show tells."""
    product = find_product(ask.text)
    if product is None:
        return NOTHING
    named = re.search(r"criterion\W+([\w-]+)", ask.turns[0].text)
    notes = sorted(
        _notes(ask, product, named[1] if named else ""), key=lambda note: note["severity"] == "low"
    )
    summary = notes[0]["text"] if notes else "I read what was shown and found nothing wrong."
    return {
        "verdict": "fail" if notes else "pass",
        "summary": summary,
        "notes": notes,
        "cases": _cases(product),
    }


def _notes(ask: Ask, product: Product, named: str) -> list[Json]:
    core = CORES[product.kind]
    wanted, notes = final(product, core), []
    for path, text in find_sources(ask.text).items():
        bad = [typed(product, d)[1].strip() for d in core.defects if path.endswith(f"/{d.file}") and d.wrong]
        for hunk in differences(text, wanted.get(path)):
            is_grave = bool(hunk.right.strip()) or any(wrong in hunk.wrong for wrong in bad)
            words = f"expected `{hunk.right.strip()}`, found `{hunk.wrong.strip()}`"
            grade = "high" if is_grave else "low"
            notes.append(
                {"file": path, "line": hunk.line, "severity": grade, "criterion": named, "text": words}
            )
    return notes


def _cases(product: Product) -> list[Json]:
    """What a tester would try beyond the promises: only more of what the first feature says."""
    at, form = f"/{product.app}/", CORES[product.kind].sample(product)
    long = step("anna", "POST", at, form={**form, "name": "n" * 201})
    empty = step("anna", "POST", f"/api{at}", json={"name": ""})
    return [
        criterion("case-too-long-is-refused", 1, [], long, status=400),
        criterion("case-api-refuses-nothing", 1, [], empty, status=400),
    ]


def research(ask: Ask, dice: Dice) -> Json:
    """What the signals say about problem, rivals and trend, in their own words."""
    first = ask.turns[0].text
    idea = said_once(find_idea(first) or first)
    told = [*_signals(framed("signals", first)), idea]
    rival = r"\b([A-Z][a-z]+[A-Z][A-Za-z]+)\b(?:[^.\n]{0,60}?([$€]\s?\d+(?:\.\d+)?|\d+ (?:USD|dollars|euros|a month)))?"
    rivals = dict(found for line in told for found in re.findall(rival, line))
    rising = any(_RISING.search(line) for line in told)
    return {
        "summary": f"{len(told) - 1} signals. {idea}"[:400], "problem": told[0][:300],
        "competitors": [{"name": name[:80], "price": price} for name, price in list(rivals.items())[:6]],
        "trend": "rising" if rising else "unknown",
    }  # fmt: skip


def _signals(text: str) -> list[str]:
    """What the signals say, whether they are shown as JSON or as lines."""
    try:
        found = json.loads(text)
    except ValueError:
        return [line.strip(" -*") for line in text.splitlines() if line.strip()]
    return [f"{one.get('title', '')}. {one.get('text', '')}" for one in found if isinstance(one, dict)]
