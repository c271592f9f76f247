"""Promises as typed steps, and those that every core makes of list, owner, history and plan.

What a page must show is made of two parts that no file holds together, so that a promise which its builder may not
see cannot be read off the code either.
"""

from datetime import datetime, timedelta
from typing import Any

from .product import Json, Product

START = "2030-01-07T08:00:00+00:00"
_MOST_TIMES = 500  # of one step; a larger plan is filled by several


def step(who: str, method: str, path: str, *, at: str = START, **more: Any) -> Json:
    """One typed HTTP step; `more` is form, json, times, keep (a pattern whose first group is kept), key."""
    headers = [{"name": "X-Test-Now", "value": at}]
    if more.get("key"):
        headers.append({"name": "X-Tick-Key", "value": "{tick_key}"})
    form, json = ([{"name": k, "value": str(v)} for k, v in more.get(kind, {}).items()] for kind in ("form", "json"))  # fmt: skip
    return {
        "as": who, "method": method, "path": path, "form": form, "json": json, "headers": headers,
        "times": more.get("times", 1), "keep": more.get("keep", ""),
    }  # fmt: skip


def tick(at: str) -> Json:
    """The product's tick at that time."""
    return step("ticker", "POST", "/internal/tick", at=at, key=True)


def criterion(name: str, feature: int, given: list[Json], when: Json, **then: Any) -> Json:
    """One promise: `then` is status (200), text, absent and times (0: any number of `text`)."""
    seen = {"status": 200, "text": "", "absent": "", "times": 0, **then}
    return {"id": name, "feature": f"F{feature}", "given": given, "when": when, "then": seen}


def shared(product: Product, sample: dict[str, str]) -> list[Json]:
    """What every core promises."""
    return [*_list_of_own(product, sample), *_history(product, sample), *_plan(product, sample)]


def _list_of_own(product: Product, sample: dict[str, str]) -> list[Json]:
    at, name = f"/{product.app}/", sample["name"]
    add, odd = (step("anna", "POST", at, form={**sample, "name": n}) for n in (name, "<i>odd</i>"))
    number, delete = (
        step("anna", "GET", at, keep=rf"{at}(\d+)/delete"),
        step("bert", "POST", at + "{kept}/delete"),
    )
    return [
        criterion("empty-is-refused", 1, [], step("anna", "POST", at, form={"name": ""}), status=400),
        criterion("list-needs-a-person", 1, [], step("nobody", "GET", at), status=302),
        criterion("added-is-listed-as-text", 1, [odd], step("anna", "GET", at), text="&lt;i&gt;odd", absent="<i>odd"),
        criterion("others-do-not-see-it", 1, [add], step("bert", "GET", at), absent=name),
        criterion("others-cannot-delete-it", 1, [add, number], delete, status=404),
        criterion("api-adds", 1, [], step("anna", "POST", f"/api{at}", json=sample), status=201, text=name),
        criterion("api-shows-own-only", 1, [add], step("bert", "GET", f"/api{at}"), absent=name),
        criterion("api-needs-a-person", 1, [], step("nobody", "GET", f"/api{at}"), status=401),
    ]  # fmt: skip


def _history(product: Product, sample: dict[str, str]) -> list[Json]:
    at, told = f"/{product.app}/", f"<li>{product.phrases['added']} <time>{START[:10]}"
    add = step("anna", "POST", at, form=sample)
    given = [add, step("anna", "GET", at, keep=rf"{at}(\d+)/history")]
    page, end = at + "{kept}/history", days_later(product.plans[0][3])
    return [
        criterion("history-shows", 4, given, step("anna", "GET", page), text=told),
        criterion("history-is-own", 4, given, step("bert", "GET", page), status=404),
        criterion("history-ends-with-the-plan", 4, given, step("anna", "GET", page, at=end), absent=told),
    ]


def days_later(days: int) -> str:
    """A day after that many days from START."""
    return (datetime.fromisoformat(START) + timedelta(days=days + 1)).isoformat()


def _plan(product: Product, sample: dict[str, str]) -> list[Json]:
    limit, add = product.plans[0][2], step("anna", "POST", f"/{product.app}/", form=sample)
    fill = [{**add, "times": min(_MOST_TIMES, limit - done)} for done in range(0, limit, _MOST_TIMES)]
    made = [criterion("plan-limit-holds", 5, fill, add, status=402)]
    for plan, _, _, _ in product.plans[1:2]:
        pay = step("anna", "POST", "/plans/pay/", form={"plan": plan, "card": "4242424242424242"})
        made.append(criterion("paying-makes-room", 5, [*fill, pay], add, status=302))
    return made
