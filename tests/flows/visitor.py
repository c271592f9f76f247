"""People at the public doors: they read pages, fill in the forms that stand there, and know nothing else."""

import re
import secrets
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Self

import httpx

from core.adapters.tls import trusted

Json = dict[str, Any]
SAMPLES = {
    "date": "2031-03-31",
    "number": "3",
    "url": "http://93.184.216.34/page",
    "email": "someone@example.org",
}
DAY = re.compile(r"_on$|date")
KEPT_BY_BROWSERS = {"hidden"}


@dataclass
class Form:
    """One form of a page: where it goes, how, and what it asks for."""

    action: str
    method: str
    asks: dict[str, str] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)

    def filled(self, word: str) -> dict[str, str]:
        """Return values for everything it asks for: `word` where a text is wanted."""
        guessed = {name: "date" if DAY.search(name) else kind for name, kind in self.asks.items()}
        return {**self.given, **{name: SAMPLES.get(kind, word) for name, kind in guessed.items()}}


class Forms(HTMLParser):
    """The forms of one page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form, or one of its fields."""
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(said.get("action", ""), said.get("method", "get").lower()))
        elif self.found and (name := said.get("name", "")) and tag in ("input", "textarea"):
            place = self.found[-1].given if said.get("type") in KEPT_BY_BROWSERS else self.found[-1].asks
            place[name] = said.get("value", "") if place is self.found[-1].given else said.get("type", "text")
        elif self.found and tag == "select":
            self._select = said.get("name", "")
        elif self._select and tag == "option" and "value" in said:
            self.found[-1].given.setdefault(self._select, said["value"])


class Visitor:
    """A browser at one address."""

    def __init__(self, address: str) -> None:
        self._pages = httpx.Client(base_url=address, timeout=60, trust_env=False, verify=trusted())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pages.close()

    def get(self, path: str) -> httpx.Response:
        """Open a page, and the page it leads to."""
        return self._pages.get(path, follow_redirects=True)

    def ask(self, step: Json, **words: str) -> httpx.Response:
        """Take one step of a promise: method, path, form or JSON."""
        form = {one["name"]: filled(one["value"], words) for one in step["form"]}
        sent = {one["name"]: filled(one["value"], words) for one in step["json"]}
        headers = {one["name"]: filled(one["value"], words) for one in step["headers"]}
        path = filled(step["path"], words)
        return self.post(step["method"], path, form=form, sent=sent, headers=headers)

    def post(
        self,
        method: str,
        path: str,
        *,
        form: dict[str, str],
        sent: Json | None = None,
        headers: Json | None = None,
    ) -> httpx.Response:
        """Send something the way the site's own pages do: with its token, and no redirect followed."""
        token = self._pages.cookies.get("csrftoken") or ""
        said = {"X-CSRFToken": token, "Referer": str(self._pages.base_url), **(headers or {})}
        return self._pages.request(method, path, data=form or None, json=sent or None, headers=said)

    def submit(self, path: str, *, nth: int = 0, word: str = "", **values: str) -> httpx.Response:
        """Open a page, fill in one of its forms that send something, and send it."""
        page = self.get(path)
        wanted = [
            form
            for form in Forms(page.text).found
            if form.method == "post" and set(values) <= {*form.asks, *form.given}
        ]
        form = wanted[nth]
        target = form.action or page.url.path
        return self.post("POST", target, form={**form.filled(word), **values})

    def sign_up(self) -> str:
        """Make an account; return where it leads."""
        answer = self.submit(
            "/signup/", email=f"{secrets.token_hex(6)}@example.org", password=secrets.token_urlsafe(16)
        )
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]


def filled(text: str, words: dict[str, str]) -> str:
    """Return `text` with `{name}` replaced."""
    return re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), text)


def is_timeless(criterion: Json) -> bool:
    """Say whether a promise can be driven at a product whose clock nobody moves and whose tick is not ours."""
    steps = [*criterion["given"], criterion["when"]]
    who = {step["as"] for step in steps}
    return not who & {"ticker", "site"} and not re.search(r"20\d\d-", criterion["then"]["text"])


def keeps(address: str, criterion: Json) -> str:
    """Drive one promise at a product's public address with people of our own; return what went wrong, "" when it held."""
    people: dict[str, Visitor] = {}
    words = {"site": "http://93.184.216.34"}  # a public address that needs no name server
    answer = None
    for step in [*criterion["given"], criterion["when"]]:
        if step["as"] not in people:
            people[step["as"]] = Visitor(address)
            people[step["as"]].get("/signup/")
            if step["as"] != "nobody":
                people[step["as"]].sign_up()
        for _ in range(step["times"]):
            answer = people[step["as"]].ask(step, **words)
        if step["keep"] and answer is not None and (found := re.search(step["keep"], answer.text)):
            words["kept"] = found[1]
    for person in people.values():
        person.__exit__()
    assert answer is not None
    return fault_of(answer, criterion["then"], words)


def fault_of(answer: httpx.Response, then: Json, words: dict[str, str]) -> str:
    """Return how an answer differs from what was promised."""
    text, absent = filled(then["text"], words), filled(then["absent"], words)
    if answer.status_code != then["status"]:
        return f"{answer.status_code} instead of {then['status']}"
    if text and (text not in answer.text or then["times"] not in (0, answer.text.count(text))):
        return f"{text} stands there {answer.text.count(text)} times"
    return f"{absent} stands there" if absent and absent in answer.text else ""
