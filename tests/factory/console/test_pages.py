"""Every page, for everyone who may or may not see it."""

import re
from html.parser import HTMLParser

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from billing.services import record_revenue
from core.models import Installation
from factory.console.views.failures import broken
from factory.pipeline.models import Quote
from factory.work.models import Task
from tests.e2e.pages import PAGES
from tests.factory.console.build import a_call, an_attempt
from tests.factory.console.story import SIGNALS, Story, a_product, a_story, an_idea

pytestmark = pytest.mark.django_db

NAMES = tuple(PAGES)
MOST_QUERIES = {
    "home": 28,
    "venture": 32,
    "decision": 7,
    "decisions": 11,
    "ventures": 7,
    "ideas": 6,
    "idea": 6,
    "work": 18,
    "graphs": 7,
    "graph": 10,
    "step": 12,
    "session": 16,
    "result": 5,
    "search": 10,
    "money": 30,
    "ledger": 13,
    "calls": 5,
    "call": 15,
    "agents": 12,
    "agent": 22,
}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
ENUMS = re.compile(
    r"\b(dead_letter|rolled_back|model_call|micro_saas|microusd|github_issue|job_ad|None|N/A)\b"
)


class Page(HTMLParser):
    """A page as a reader, a policy and a keyboard meet it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.inline: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.labels: set[str] = set()
        self.fields: list[str] = []
        self.headings: list[str] = []
        self.unclosed: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what a policy forbids, and what has to fit together."""
        said = dict(attrs)
        self.inline += [f"{tag} {name}" for name in said if name == "style" or re.match(r"on[a-z]+$", name)]
        self.inline += [tag] if tag == "style" or (tag == "script" and not said.get("src")) else []
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.labels |= {said["for"] or ""} if tag == "label" and "for" in said else set()
        is_field = tag in {"textarea", "select"} or (
            tag == "input" and said.get("type") not in {"hidden", "radio", "submit"}
        )
        self.fields += [said.get("id") or "?"] if is_field else []
        self.headings += [tag] if tag == "h1" else []
        if tag not in {"input", "meta", "link", "br", "rect", "path", "circle", "use", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at it as at any other."""
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened last, or say that it was not."""
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.unclosed.append(f"</{tag}> after <{self.open[-1] if self.open else 'nothing'}>")

    def handle_data(self, data: str) -> None:
        """Keep what is read, but for code."""
        if not {"code", "script"} & set(self.open):
            self.words.append(data)


@pytest.fixture(scope="module")
def told(told: Story) -> Story:
    """Add what is not worth building: of every kind of thing there is one."""
    an_idea("Invoices for music teachers", signals=SIGNALS[2:], state="thin", points=None, known_weight=0.4)
    an_idea(
        "Explain blood tests", state="excluded", points=None, low=None, high=None, known_weight=None, parts=[]
    )
    return told


def address(name: str, story: Story) -> str:
    """Return where a page is."""
    return PAGES[name](story)


def test_a_stranger_sees_no_page_and_is_asked_to_sign_in(story: Story, stranger: Client) -> None:
    answers = {name: stranger.get(address(name, story)) for name in NAMES}

    seen = {name: (one.status_code, one["Location"].partition("=")[0]) for name, one in answers.items()}
    assert seen == dict.fromkeys(NAMES, (302, "/login/?next"))


@pytest.mark.parametrize("role", ["owner", "operator", "viewer"])
def test_everyone_who_is_signed_in_reads_every_page(
    role: str, story: Story, request: pytest.FixtureRequest
) -> None:
    client: Client = request.getfixturevalue(role)

    seen = {name: client.get(address(name, story)).status_code for name in NAMES}

    assert seen == dict.fromkeys(NAMES, 200)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole_keeps_the_policy_and_speaks_plain_words(
    name: str, story: Story, owner: Client
) -> None:
    answer = owner.get(address(name, story))

    page = Page(answer.content.decode())
    words = " ".join(page.words)
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert page.inline == []
    assert page.unclosed == []
    assert set(page.open) <= {"html"} or page.open == []
    assert page.headings == ["h1"]
    assert len(page.ids) == len(set(page.ids))
    assert set(page.fields) <= page.labels
    assert UUID.findall(words) == []
    assert ENUMS.findall(words) == []


@pytest.mark.parametrize("name", MOST_QUERIES)
def test_a_page_asks_the_database_no_more_when_there_is_more_to_show(
    name: str, story: Story, owner: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(3):
        a_story(f"Other {number}")

    with django_assert_max_num_queries(MOST_QUERIES[name]):
        owner.get(address(name, story))


def test_the_banner_says_that_results_are_rehearsed(story: Story, owner: Client) -> None:
    pages = {name: owner.get(address(name, story)).content.decode() for name in NAMES}

    assert [name for name, page in pages.items() if "Every result here is invented" not in page] == []


def test_a_real_factory_has_no_banner_of_a_rehearsal(story: Story, owner: Client) -> None:
    Installation.objects.update(mode="real")

    assert "Rehearsal" not in owner.get("/").content.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/ventures/nobody/",
        "/ideas/opp-nothing/",
        "/nothing/",
        "/decisions/018f0000-0000-7000-8000-000000000000/",
    ],
)
def test_what_does_not_exist_is_said_to_be_nowhere(path: str, story: Story, owner: Client) -> None:
    answer = owner.get(path)

    assert answer.status_code == 404
    assert "There is no page here" in answer.content.decode()


def test_a_stranger_learns_nothing_from_a_wrong_address(story: Story, stranger: Client) -> None:
    answer = stranger.get("/nothing/")

    assert answer.status_code == 404
    assert "Decisions <b" not in answer.content.decode()


def test_a_page_that_breaks_says_so_in_plain_words(story: Story, owner: Client) -> None:
    Installation.objects.update(time_zone="Nowhere/Land")
    owner.raise_request_exception = False

    answer = owner.get("/")

    text = answer.content.decode()
    assert answer.status_code == 500
    assert re.search(r"[2-9A-Z]{3}-[2-9A-Z]{3}-[2-9A-Z]", text)
    assert "Traceback" not in text


def test_times_are_those_of_the_owners_zone(story: Story, owner: Client) -> None:
    Installation.objects.update(time_zone="Pacific/Auckland")

    text = owner.get("/").content.decode()

    assert "Times in Pacific/Auckland" in text
    assert re.search("ends at 1[23]:00", text)


def test_a_strangers_words_stay_words(story: Story, owner: Client) -> None:
    signal = story.idea.evidence.get(place=0).signal
    signal.title, signal.url = "<script>alert(1)</script>", "javascript:alert(1)"
    signal.save()

    text = owner.get(address("idea", story)).content.decode()

    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "javascript:" not in text


def test_a_part_asked_for_by_htmx_comes_alone_and_a_strange_one_as_the_page(
    story: Story, owner: Client
) -> None:
    part = owner.get("/", headers={"HX-Request": "true", "HX-Target": "now"}).content.decode()
    page = owner.get("/", headers={"HX-Request": "true", "HX-Target": "elsewhere"}).content.decode()

    assert part.lstrip().startswith('<section class="sec" id="now"')
    assert "<html" not in part
    assert "<html" in page


def test_the_venture_page_shows_tries_findings_releases_promises_and_the_last_cent(
    story: Story, owner: Client
) -> None:
    words = re.sub(r"\s+", " ", " ".join(Page(owner.get(address("venture", story)).content.decode()).words))

    for said in (
        "Try 1: Rex, failed", "The import job.due is missing", "A late ping sends no mail", "mended",
        "Rolled back", "Two probes in a row were red", "Version 1 live", "Phone calls at night", "needs a real model",
        "When a customer opens /jobs/ after 1 step, it answers 200 and shows “Backup”.", "−$1.361911", "$7.778089",
    ):  # fmt: skip
        assert said in words


def test_the_place_of_a_finding_is_its_file_and_line(story: Story, owner: Client) -> None:
    assert "<code>jobs/due.py, line 31</code>" in owner.get(address("venture", story)).content.decode()


def test_a_promise_that_was_never_driven_is_unknown_and_not_broken(story: Story, owner: Client) -> None:
    a_product("Early", stage="build")

    text = owner.get("/ventures/early/").content.decode()

    assert text.count("not driven yet") == 3
    assert "0 kept when last driven" in text


def test_what_nobody_carried_out_yet_costs_not_nothing_but_nothing_known(story: Story, owner: Client) -> None:
    Task.objects.filter(key="deploy").update(title="Later work")

    text = owner.get(address("venture", story)).content.decode()

    later = text[text.index("Later work") :]
    assert "$" not in later[: later.index("</li>")]


def test_pages_are_small_enough_for_a_phone(story: Story, owner: Client) -> None:
    assert len(owner.get(address("decision", story)).content) < 50_000


def test_the_page_of_a_breakdown_needs_no_database(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        answer = broken(RequestFactory().get("/"))

    assert answer.status_code == 500


def test_the_page_of_money_shows_every_limit_with_what_is_spent_and_held(story: Story, owner: Client) -> None:
    text = owner.get(reverse("money")).content.decode()

    words = re.sub(r"\s+", " ", " ".join(Page(text).words))
    assert "of $100.00 · $0.31 held" in words or "of $100.00 · nothing held" in words
    assert "Nightwatch" in words
    assert "$1.36 of $70.00" in words
    assert "Fees of the payment processor Nightwatch −$0.86" in words


def test_the_ledger_shows_six_places_and_what_is_lost(story: Story, owner: Client) -> None:
    a_call(an_attempt(story.build, "pages", n=2, state="lost"), cost=33_000, is_lost=True)

    text = owner.get(reverse("ledger")).content.decode()

    assert "$0.412345" in text
    assert text.count("Models, at its bound") == 1
    assert "+$19.000000" in text


def test_one_more_payment_moves_the_venture_page_by_it_less_its_fee(story: Story, owner: Client) -> None:
    for kind, cents in (("payment", 1900), ("fee", 86)):
        record_revenue(
            story.product.scope,
            provider="testpay",
            provider_event_id=f"more-{kind}",
            kind=kind,
            amount_minor=cents,
        )

    text = owner.get(address("venture", story)).content.decode()

    assert "Earned back: +$25.92" in text
    assert "$25.918089" in text


def test_a_quote_of_which_nothing_is_known_names_no_sum_and_no_days(story: Story, owner: Client) -> None:
    Quote.objects.update(unknown=["Code", "Tests and breaking"], low_microusd=0, high_microusd=0)

    words = " ".join(re.sub(r"<[^>]+>", " ", owner.get(address("quote", story)).content.decode()).split())

    assert re.search("Kev expects(; so far it cost [^ ]+)? not known yet", words)
    assert "Together not known not known" in words
    assert "a day, as set now not known yet" in words
    assert "$0.00 to" not in words


def test_a_quote_of_which_a_part_is_known_says_at_least(story: Story, owner: Client) -> None:
    Quote.objects.update(unknown=["Code"])

    quote = owner.get(address("quote", story)).content.decode()
    venture = owner.get(address("venture", story)).content.decode()

    assert "at least $0.27" in quote
    assert "Quote: at least $0.27, stops at" in venture
    assert "to $0.41" not in quote + venture
