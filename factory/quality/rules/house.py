"""What every product of the skeleton promises beside its own criteria: the house's doors work for their owner alone."""

from factory.quality.rules.criteria import Criterion, Pairs, Step, Then

_KEY: Pairs = (("X-Tick-Key", "{tick_key}"),)
FEATURE = "house"


def _promise(name: str, when: Step, then: Then, *given: Step) -> Criterion:
    return Criterion(f"{FEATURE}-{name}", FEATURE, given, when, then)


def _shown(path: str) -> Criterion:
    """A page that anybody may read."""
    name = path.strip("/").replace(".", "-") or "home"
    return _promise(f"shows-{name}", Step("nobody", "GET", path), Then(200))


_SIGN_UP = Step(
    "nobody", "POST", "/signup/", (("email", "carl@example.com"), ("password", "once upon 1 time"))
)
_LOG_OUT, _NOTICES = Step("nobody", "POST", "/logout/"), Step("nobody", "GET", "/notices/")
_LOG_IN = Step("nobody", "POST", "/login/", _SIGN_UP.form)
_MINE, _TICK = Step("anna", "GET", "/notices/"), Step("ticker", "POST", "/internal/tick", headers=_KEY)
_PLAN = Step("anna", "GET", "/plans/", keep=r'name="plan" value="([^"]+)"')
_PAY = Step("anna", "POST", "/plans/pay/", (("plan", "{kept}"), ("card", "4242424242424242")))
_REFUSED = Step("anna", "POST", "/plans/pay/", (("plan", "{kept}"), ("card", "4000000000000002")))
_HOOK = Step("anna", "POST", "/notices/", (("address", "{site}/hook"),))

HOUSE = (
    *(
        _shown(path)
        for path in ("/", "/privacy/", "/terms/", "/support/", "/plans/", "/house.css", "/login/")
    ),
    _promise("health", Step("nobody", "GET", "/health?nonce=7"), Then(200, '"proof"')),
    _promise("version", Step("nobody", "GET", "/version"), Then(200, '"release"')),
    _promise("account-is-made-once", _SIGN_UP, Then(400), _SIGN_UP, _LOG_OUT),
    _promise("log-out-closes", _NOTICES, Then(302), _SIGN_UP, _LOG_OUT),
    _promise("log-in-opens", _NOTICES, Then(200), _SIGN_UP, _LOG_OUT, _LOG_IN),
    _promise("stranger-stays-out", _LOG_IN, Then(400)),
    _promise("notices-need-a-person", _NOTICES, Then(302)),
    _promise("notices-are-own", _MINE, Then(200, "Welcome to", times=1), Step("bert", "GET", "/notices/")),
    _promise("test-card-pays", _MINE, Then(200, "Receipt for", times=1), _PLAN, _PAY),
    _promise("other-card-is-refused", _REFUSED, Then(402), _PLAN),
    _promise(
        "payment-is-own", Step("bert", "GET", "/notices/"), Then(200, absent="Receipt for"), _PLAN, _PAY
    ),
    _promise("tick-needs-its-key", Step("ticker", "POST", "/internal/tick"), Then(403)),
    _promise("tick-ticks", _TICK, Then(204)),
    _promise(
        "events-are-counted",
        Step("ticker", "GET", "/internal/events", headers=_KEY),
        Then(200, "sign_up"),
        _MINE,
    ),
    _promise("events-need-their-key", Step("ticker", "GET", "/internal/events"), Then(403)),
    _promise(
        "webhook-gets-notices",
        Step("site", "GET", "/hook"),
        Then(200, "Receipt for", times=1),
        _HOOK,
        _PLAN,
        _PAY,
        _TICK,
    ),
)
