"""What is not built: regulated fields and tools for builders with AI, found by words or by meaning."""

import pytest

from portfolio.adapters.scan_data import ScanData
from portfolio.rules.exclusion import Field, judge_texts
from portfolio.rules.words import PhraseList

HEALTH = Field("health", "health is a regulated field", PhraseList.of(["patient*"], safe=["be patient"]))


def judge(*texts: str, margin: float = -0.3) -> tuple[str | None, tuple[str, ...]]:
    found = judge_texts(texts, margins={"health": margin}, fields=[HEALTH])
    return found.excluded, found.looks


def test_words_in_a_third_of_the_evidence_exclude_and_fewer_only_flag() -> None:
    third = judge("Patients wait.", "A form.", "A list.")
    fewer = judge("Patients wait.", "A form.", "A list.", "Please be patient.")

    assert third == ("health is a regulated field: 1 of 3 signals speak of it (patients)", ())
    assert fewer == (None, ("1 of 4 signals speak of health",))


@pytest.mark.parametrize(
    ("margin", "is_excluded", "has_look"),
    [(0.10, True, False), (0.0999, False, True), (0.0, False, True), (-0.0001, False, False)],
)
def test_meaning_excludes_from_a_margin_of_a_tenth_and_flags_from_zero(
    margin: float,
    is_excluded: bool,  # noqa: FBT001
    has_look: bool,  # noqa: FBT001
) -> None:
    excluded, looks = judge("A form.", margin=margin)

    assert (excluded is not None, bool(looks)) == (is_excluded, has_look)


@pytest.mark.parametrize(
    ("field", "texts"),
    [
        (
            "health",
            ["A nurse plans her rounds.", "Der Arzt sucht Patientenakten.", "Le médecin et ses patients."],
        ),
        ("finance", ["An app links bank accounts.", "Er will Aktien kaufen.", "La banque et l'épargne."]),
        (
            "law",
            ["A law firm files motions.", "Die Kanzlei sucht Vorlagen.", "Un avocat prépare le tribunal."],
        ),
        ("ai_builders", ["Prompt management for LLMs.", "Ein Sprachmodell prüfen.", "Un modèle de langage."]),
    ],
)
def test_each_field_is_known_by_its_words_in_three_languages(
    field: str, texts: list[str], data: ScanData
) -> None:
    by_name = {entry.name: entry for entry in data.fields}

    for text in texts:
        verdict = judge_texts([text], margins={}, fields=[by_name[field]])
        assert verdict.excluded, text


@pytest.mark.parametrize(
    "text",
    [
        "A health check of the server fails and nobody notices.",
        "The shop counts its stock and prints labels; each member has shares in the garden.",
        "Every firm must send e-invoices by law from next year.",
        "A photographer shows his portfolio and signs a contract.",
        "Robots are told apart by their user agent.",
        "The office is closed on a bank holiday.",
        "Players book tennis courts and pay by credit card.",
        "A message broker drops events; be patient, says the vendor.",
        "A writing helper drafts mails, with AI.",
        "Das Gericht auf der Speisekarte enthält Nüsse.",
    ],
)
def test_words_that_only_look_like_a_field_exclude_nothing(text: str, data: ScanData) -> None:
    verdict = judge_texts([text], margins={}, fields=data.fields)

    assert verdict.excluded is None
