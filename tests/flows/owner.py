"""An owner at the pages of a factory: joins by the printed link, gives an idea, answers what is asked."""

import re
import secrets
from collections.abc import Callable

from tests.flows.stack import Stack
from tests.flows.visitor import Visitor

DECISION = re.compile(r'href="(/decisions/[0-9a-f-]{36}/)"')
DIGEST = re.compile(r'name="digest" value="([0-9a-f]{64})"')

LIVE = "SELECT url FROM portfolio_product WHERE id = ? AND stage = 'grow'"
BUSY = """
    SELECT count(*) FROM work_task t JOIN work_dag d ON d.id = t.dag_id
    WHERE d.product_id = ? AND t.state NOT IN ('completed', 'cancelled')
"""


class Owner(Visitor):
    """A browser in which the owner of one factory is signed in."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack.address)
        self._stack = stack
        self.name, self.password = f"ada-{secrets.token_hex(3)}", secrets.token_urlsafe(16)
        self.get(stack.link())
        word = self.password
        joined = self.submit(
            stack.link(), username=self.name, password1=word, password2=word, time_zone="Pacific/Auckland"
        )
        assert joined.status_code == 303, joined.text

    def give(self, idea: str) -> str:
        """Give an idea on the page for it; return the venture's id: its name may still change."""
        answer = self.submit("/ideas/give/", what="idea", text=idea)
        assert answer.status_code == 303, answer.text
        slug = answer.headers["Location"].strip("/").rpartition("/")[2]
        return str(self._stack.value("SELECT id FROM portfolio_product WHERE slug = ?", slug))

    def answer_all(self, answer: str = "approve", **more: str) -> int:
        """Give one answer to every open question; return how many there were."""
        open_ones = dict.fromkeys(DECISION.findall(self._waiting()))
        return sum(self._answer(path, answer, more) for path in open_ones)

    def _waiting(self) -> str:
        return self.get("/decisions/?split=1").text.partition('id="history"')[0]

    def _answer(self, path: str, answer: str, more: dict[str, str]) -> bool:
        shown = DIGEST.search(self.get(path).text)
        if shown is None:
            return False
        done = self.post("POST", path, form={"answer": answer, "digest": shown[1], **more})
        return done.status_code == 303

    def see_live(self, venture: str) -> None:
        """Say yes to everything until users meet the product."""
        self.agree_until(lambda: self.is_live(venture), what="users to meet the product")

    def stand_before(self, action: str) -> None:
        """Say yes to everything before the question about `action`, which stays open."""
        pending = "SELECT action FROM approvals_request WHERE state = 'pending'"

        def look() -> bool:
            waiting = {row["action"] for row in self._stack.rows(pending)}
            if waiting and action not in waiting:
                self.answer_all()
            return action in waiting

        self._stack.until(look, what=f"the question {action}")

    def agree_until(self, is_true: Callable[[], object], *, what: str) -> None:
        """Say yes to everything until something holds."""

        def look() -> object:
            self.answer_all()
            return is_true()

        self._stack.until(look, what=what, every_s=0.1)

    def is_live(self, venture: str) -> bool:
        """Say whether users meet it and its work is done; a task that was given up ends the wait."""
        given_up = self._stack.rows("SELECT error FROM work_deadletter WHERE resolution = ''")
        assert not given_up, given_up
        return bool(self._stack.value(LIVE, venture)) and not self._stack.value(BUSY, venture)
