"""A venture at its gate, with answers as the rehearsal gives them."""

import json
from functools import cache
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
from pytest_django import Settings

from agents.gateway.adapters.rehearsal.answer import answer
from agents.gateway.adapters.rehearsal.dice import Seed
from agents.roster.services import sync_agents
from core.services import found_installation
from factory.pipeline.rules.answers import BLUEPRINT, PLAN
from factory.pipeline.rules.briefs import blueprint_brief, plan_brief
from portfolio.models import Opportunity, Product
from portfolio.services import open_product

IDEA = "Cron job monitoring that tells me when a nightly job did not run"
Json = dict[str, Any]


def said(schema: Json, brief: str) -> Json:
    """Return the first answer of the rehearsal that fits `schema`; asked in other words, it errs elsewhere."""
    answers = (said_once(schema, f"{brief}\n{'Please. ' * wording}") for wording in range(10))
    check = jsonschema.Draft202012Validator(schema)
    return cast("Json", next(made for made in answers if check.is_valid(made)))


def said_once(schema: Json, brief: str) -> object:
    """Return what the rehearsal answers to `brief` in the shape of `schema`, None for what cannot be read."""
    shape = {"name": schema["title"], "schema": schema, "strict": True}
    body = {
        "model": "gpt-5.2",
        "messages": [{"role": "user", "content": brief}],
        "max_completion_tokens": 32_000,
        "response_format": {"type": "json_schema", "json_schema": shape},
    }
    reply = answer("/v1/chat/completions", json.dumps(body).encode(), seed=Seed.read("7:clean"))
    text = json.loads(b"".join(reply.frames))["choices"][0]["message"]["content"]
    try:
        return cast("object", json.loads(text))
    except ValueError:
        return None


@cache
def proposals() -> tuple[str, str]:
    """Return a blueprint and a plan for the idea, as JSON texts."""
    return json.dumps(said(BLUEPRINT, blueprint_brief(IDEA, price_range_usd=(9, 49)))), json.dumps(
        said(PLAN, plan_brief(staff=[], budget_usd=70))
    )


@pytest.fixture
def blueprint() -> Json:
    """Return a fresh copy of Atlas's answer."""
    made: Json = json.loads(proposals()[0])
    return made


@pytest.fixture
def plan() -> Json:
    """Return a fresh copy of Kev's answer."""
    made: Json = json.loads(proposals()[1])
    return made


@pytest.fixture
def venture(db: None, settings: Settings, tmp_path: Path) -> Product:
    """Return a product that passed its test and waits for blueprint and plan."""
    settings.BLOBS_DIR, settings.REPOS_DIR = tmp_path / "blobs", tmp_path / "repos"
    found_installation("rehearsal")
    sync_agents(settings.DATA_DIR / "agents")
    idea = Opportunity.objects.create(
        name="idea-1", origin="owner", title=IDEA, problem=IDEA, words=IDEA, category="micro_saas", state="passed",
        centre="", scale="t", mode="rehearsal",
    )  # fmt: skip
    return open_product(IDEA, opportunity=idea, stage="validate")
