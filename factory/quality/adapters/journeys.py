"""Typed criteria, driven over HTTP as journeys of simulated people."""

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from factory.quality.adapters.site import Site
from factory.quality.rules.criteria import Criterion, Pairs, Step

_SIGNED_UP = ("anna", "bert")
_TIMEOUT_S = 20
_LONGEST_SEARCH = 100_000


@dataclass(frozen=True)
class Door:
    """Where a product answers, and what its journeys need to know.

    `transport` is shared by all people: one of its own costs each of them 30 ms.
    """

    transport: httpx.BaseTransport
    tick_key: str
    site: Site
    base: str = "http://localhost"


def last_part(journey: str) -> str:
    """Give the name under which the last request of a journey is noted apart."""
    return f"{journey} last"


@dataclass(frozen=True)
class Journey:
    """How one criterion went: `fault` is "" when it held; `step` is the request that decided.

    `status` 0 means that no answer came.
    """

    criterion: Criterion
    fault: str
    step: Step
    expected: int
    status: int


def drive(criteria: Iterable[Criterion], door: Door) -> tuple[Journey, ...]:
    """Drive each criterion with people of its own, one after the other."""
    return tuple(_Trip(criterion, door).go() for criterion in criteria)


class _Ended(Exception):
    """The journey ends before its criterion's steps do."""

    def __init__(self, step: Step, *, expected: int, status: int) -> None:
        self.step, self.expected, self.status = step, expected, status


@dataclass
class _Trip:
    """One criterion on its way: its own people, its own corner of the site, what it kept."""

    criterion: Criterion
    door: Door
    words: dict[str, str] = field(default_factory=dict)
    people: dict[str, httpx.Client] = field(default_factory=dict)

    def go(self) -> Journey:
        """Take every step; an answer that does not come is a fault, not an error of ours."""
        self.words = {"site": self._corner, "tick_key": self.door.tick_key, "kept": ""}
        try:
            for step in self.criterion.given:
                answer = self._take(step, self.criterion.id)
                if answer.status_code >= 400:
                    raise _Ended(step, expected=200, status=answer.status_code)
            answer = self._take(self.criterion.when, last_part(self.criterion.id))
        except _Ended as end:
            said = f"{end.step.method} {end.step.path} answered {end.status or 'nothing'}"
            return Journey(self.criterion, said, end.step, end.expected, end.status)
        step, expected = self.criterion.when, self.criterion.then.status
        return Journey(self.criterion, self._fault_of(answer), step, expected, answer.status_code)

    def _fault_of(self, answer: httpx.Response) -> str:
        then, seen = self.criterion.then, answer.text
        text, absent = self._fill(then.text), self._fill(then.absent)
        if answer.status_code != then.status:
            return f"{answer.status_code} instead of {then.status}"
        if text and (text not in seen or then.times not in (0, seen.count(text))):
            wish = f"{then.times or 'some'} times"
            return f"{answer.status_code}, but {text!r} stands there {seen.count(text)} times, not {wish}"
        return f"{answer.status_code}, but {absent!r} stands there" if absent and absent in seen else ""

    def _take(self, step: Step, name: str) -> httpx.Response:
        """Do one step as often as it says; gives the last answer, or the first that is a server's fault."""
        for _ in range(step.times):
            answer = self._set_site(step) if step.who == "site" else self._ask(step, name)
            if answer.status_code >= 500:
                break
        if step.keep and (found := re.search(step.keep, answer.text[:_LONGEST_SEARCH])):
            self.words["kept"] = found[1] or ""
        return answer

    def _ask(self, step: Step, name: str) -> httpx.Response:
        headers = self._filled(step.headers)
        person = self._person(step, headers, name)
        headers |= {"X-Journey": name, "X-CSRFToken": person.cookies.get("csrftoken") or ""}
        form, json = self._filled(step.form), self._filled(step.json)
        # Only path and query: what a product printed may not send its journey to another host.
        address = urlsplit(self._fill(step.path))._replace(scheme="", netloc="", fragment="").geturl() or "/"
        try:
            return person.request(step.method, address, headers=headers, data=form or None, json=json or None)
        except httpx.HTTPError as fault:
            raise _Ended(step, expected=200, status=0) from fault

    def _set_site(self, step: Step) -> httpx.Response:
        """Set a page of this journey's corner; GET gives what the product posted there."""
        path, form = f"/{self.criterion.id}{self._fill(step.path)}", self._filled(step.form)
        if step.method == "GET":
            return httpx.Response(200, text="\n".join(self.door.site.posted.get(path, [])))
        self.door.site.pages[path] = int(form.get("status", "200")), form.get("text", "")
        return httpx.Response(204)

    def _person(self, step: Step, headers: Mapping[str, str], name: str) -> httpx.Client:
        """Who does this step; an owner signs up first, on the same day, and whoever sends a form has its token."""
        who, today = step.who, tuple((key, value) for key, value in headers.items() if key == "X-Test-Now")
        if who not in self.people:
            self.people[who] = httpx.Client(
                base_url=self.door.base, transport=self.door.transport, timeout=_TIMEOUT_S, trust_env=False
            )
            if who in _SIGNED_UP:
                email = f"{who}.{secrets.token_hex(6)}@example.com"
                form = (("email", email), ("password", secrets.token_urlsafe(12)))
                self._expect(Step(who, "POST", "/signup/", form, headers=today), name, status=302)
        person = self.people[who]
        if step.method != "GET" and who != "ticker" and not person.cookies.get("csrftoken"):
            self._expect(Step(who, "GET", "/signup/", headers=today), name, status=200)
        return person

    def _expect(self, step: Step, name: str, *, status: int) -> None:
        answer = self._ask(step, name)
        if answer.status_code != status:
            raise _Ended(step, expected=status, status=answer.status_code)

    @property
    def _corner(self) -> str:
        return f"{self.door.site.address}/{self.criterion.id}"

    def _fill(self, text: str) -> str:
        for name, value in self.words.items():
            text = text.replace("{" + name + "}", value)
        return text

    def _filled(self, pairs: Pairs) -> dict[str, str]:
        return {name: self._fill(value) for name, value in pairs}
