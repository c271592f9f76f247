"""Words of texts and addresses, and phrases with their safe neighbours."""

from collections.abc import Callable

import pytest

from portfolio.adapters.scan_data import ScanData
from portfolio.rules.words import PhraseList, address_words, normal_address, spoken_words


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://github.com/louislam/uptime-kuma/issues/3454", ["louislam", "uptime", "kuma"]),
        ("https://github.com/XFox111/TabsAsideExtension/issues/203", ["fox", "tabs", "aside", "extension"]),
        (
            "https://blog.crontap.com/en/cron-heartbeat_guide.html?utm=abc#top",
            ["crontap", "cron", "heartbeat"],
        ),
        ("https://saibeo.pages.dev/blog/test-your-backups/", ["saibeo", "test", "backups"]),
        ("https://news.ycombinator.com/item?id=47411547", []),
        ("https://git.example.org/a/commit/56c7a87f3c8e9", ["git", "example"]),
        ("https://youtu.be/dQw4w9WgXcQ", ["youtu"]),
        ("https://www.example.com/%C3%BCber-uns", ["example", "uns"]),
        (None, []),
    ],
)
def test_an_address_keeps_the_words_of_the_post_alone(
    url: str | None, words: list[str], data: ScanData
) -> None:
    assert address_words(url, lists=data.lists) == words


def test_who_speaks_and_grammar_are_left_out(data: ScanData) -> None:
    text = "A user wants the team's calendar to warn before 3 domains expire."

    assert spoken_words(text, lists=data.lists) == ["calendar", "warn", "domains", "expire"]


def test_the_same_page_has_one_address() -> None:
    spellings = ["https://www.Example.com/a/", "http://example.com/A?x=1#y", "https://example.com/a"]

    assert {normal_address(url) for url in spellings} == {"example.com/a"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Banks pay brokers.", ["banks", "brokers"]),
        ("A bank holiday, a message broker.", []),
        ("The bank of the broker between them.", ["bank"]),
        ("An investigator.", []),
        ("INVESTMENTS and investment-funds", ["investments", "investment"]),
    ],
)
def test_safe_phrases_are_taken_out_before_words_are_looked_for(text: str, found: list[str]) -> None:
    phrases = PhraseList.of(
        ["bank", "banks", "broker*", "investment*"],
        safe=["bank holiday*", "message broker*", "broker between"],
    )

    assert phrases.found_in(text) == found


def test_a_phrase_may_be_written_with_a_dash() -> None:
    phrases = PhraseList.of(["language model*"])

    assert phrases.found_in("Wrappers for language-models.") == ["language-models"]


def test_spoken_words_read_a_bounded_part(data: ScanData) -> None:
    count: Callable[[int], int] = lambda times: len(spoken_words("calendar " * times, lists=data.lists))  # noqa: E731

    assert count(100_000) == count(1_000)
