"""What an idea says is read from its words."""

import keyword
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.gateway.adapters.rehearsal.words import read_idea
from tests.agents.gateway.rehearsal.asks import CRONPILOT, blueprint_of


@pytest.mark.parametrize(
    ("idea", "language", "core", "label"),
    [
        ("A page watcher that only reports what matters", "en", "watch", "Pages"),
        ("Dated proof that a small firm's backups can really be restored", "en", "register", "Backups"),
        ("Cron job monitoring that tells me when a nightly job did not run", "en", "heartbeat", "Cron jobs"),
        ("Remind parents of vaccination dates", "en", "register", "Vaccination dates"),
        ("A register of fire extinguishers with inspection dates", "en", "register", "Fire extinguishers"),
        ("Überwachung nächtlicher Sicherungen, die still ausbleiben", "de", "heartbeat", "Sicherungen"),
        ("Verträge mit Kündigungsfristen im Blick behalten", "de", "register", "Verträge"),
        ("Mein Verein möchte wissen, wenn Trainerlizenzen ablaufen", "de", "register", "Trainerlizenzen"),
        ("Alerte quand un capteur de congélateur cesse d'envoyer ses mesures", "fr", "heartbeat", "Capteur de congélateur"),
        ("Surveiller les appels d'offres d'une mairie et signaler les nouveautés", "fr", "watch", "Appels d'offres"),
        ("Avisar cuando cambia la página de precios de un competidor", "es", "watch", "Página de precios"),
        ("Registro de revisiones de extintores con recordatorio antes de la fecha", "es", "register", "Revisiones de extintores"),
        (CRONPILOT, "en", "heartbeat", "Checks"),
    ],
)  # fmt: skip
def test_language_core_and_thing_are_found(idea: str, language: str, core: str, label: str) -> None:
    read = read_idea(idea)

    assert (read.language, read.core, read.label, read.is_fit) == (language, core, label, True)


@pytest.mark.parametrize("idea", ["Translate podcasts into sign language videos", "Play chess with friends"])
def test_an_idea_that_fits_no_core_becomes_a_register_and_says_so(idea: str) -> None:
    made = blueprint_of(idea)

    assert (made["core_function"]["kind"], made["fit"]) == ("register", "low")
    assert made["excluded"][0]["why"].endswith("needs a real model")


def plans(idea: str, *, owner: str = "", rule: str = "") -> list[tuple[int, int, int]]:
    read = read_idea(idea, owner=owner, rule=rule)
    return [(plan.usd_month, plan.limit, plan.history_days) for plan in read.plans]


def test_plans_are_those_that_the_idea_states() -> None:
    assert plans(CRONPILOT) == [(7, 20, 7), (19, 100, 90), (49, 500, 365)]
    assert plans(
        "Plans $7, $19 and $49 a month for 20, 100 and 500 checks with 7, 90 and 365 days of history"
    ) == plans(CRONPILOT)
    assert plans("Heartbeat for gateways, $9/29 for 20/200 gateways") == [(9, 20, 30), (29, 200, 90)]
    assert plans("Watch sites, plans for $12 and $24 with up to 15 sites and 14 days of history") == [
        (12, 15, 14), (24, 75, 70),
    ]  # fmt: skip
    assert plans("Verzeichnis der Leitern, Preis 15 € im Monat bis zu 30 Leitern") == [(15, 30, 30)]


def test_what_others_charge_is_no_price_of_ours() -> None:
    usual = plans("A page watcher that only reports what matters")

    assert plans("A page watcher; people are tired of $29 a month") == usual
    assert plans("A page watcher, overpriced elsewhere: about $99 a month for a page") == usual


def test_a_stated_range_bounds_every_price() -> None:
    assert [usd for usd, _, _ in plans(CRONPILOT, rule="prices from $9 to $40 are allowed")] == [9, 19, 40]


def test_the_owner_s_words_win_over_the_idea() -> None:
    read = read_idea(
        "A page watcher", owner='Make it a register, call it "Permits", price 12 USD for up to 8 permits'
    )

    assert (read.core, read.label, read.plans[0].usd_month, read.plans[0].limit) == (
        "register",
        "Permits",
        12,
        8,
    )


def test_an_idea_that_begins_with_its_name_is_about_something_else() -> None:
    read = read_idea(
        "CronPilot. CronPilot: cron job monitoring that tells me when a nightly job did not run."
    )

    assert (read.name, read.label, read.core) == ("CronPilot", "Cron jobs", "heartbeat")


def test_a_title_that_repeats_the_idea_is_not_read_twice() -> None:
    idea = "Keep track of software licences and remind the owner before renewal"

    assert blueprint_of(f"{idea[:59]}. {idea}")["core_function"] == blueprint_of(idea)["core_function"]


@given(st.text(max_size=300))
def test_any_text_becomes_a_product_with_safe_names(text: str) -> None:
    read = read_idea(text)

    assert (read.app.isidentifier(), read.app.isascii(), read.entity.isidentifier()) == (True, True, True)
    assert read.app not in {
        *sys.stdlib_module_names,
        *keyword.kwlist,
        "house",
        "plans",
        "messages",
        "admin",
        "api",
    }
    assert len({field.name for field in read.fields}) == len(read.fields) <= 5
    assert all(plan.usd_month > 0 and plan.limit > 0 and plan.history_days > 0 for plan in read.plans)
