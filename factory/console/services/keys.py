"""A key given on the page: proved where we are real, or in the real factory beside this rehearsal."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from agents.gateway.models import Call
from agents.gateway.services.key_check import WHO, prove_address, prove_key
from core.adapters.homes import is_opened
from core.models import Mode
from factory.console.adapters.real_factory import ask_real_factory

OWN, OTHER = "own", "other"


@dataclass(frozen=True)
class GivenKey:
    """What somebody typed; `maker` is one of the price table, `other`, or `own` for a machine without a key."""

    maker: str
    secret: str = ""
    address: str = ""
    name: str = ""

    @property
    def provider(self) -> str:
        """The name it is known by here."""
        return (self.name or self.maker) if self.maker in (OWN, OTHER) else self.maker

    def __repr__(self) -> str:
        return f"GivenKey({self.provider})"


def may_open() -> bool:
    """Say whether a key given in this rehearsal opens the real factory beside it."""
    return settings.MODE == Mode.REHEARSAL and settings.REAL_HOME is not None


def is_opening() -> bool:
    """Say whether the real factory is about to take the place of this rehearsal."""
    home: Path | None = settings.REAL_HOME
    return may_open() and home is not None and is_opened(home)


def try_key(given: GivenKey, *, by: str) -> str:
    """Prove a key by one call under $0.001, or by its list alone, keep it and say what that showed.

    In a rehearsal the real factory does, and takes its place.

    Raises:
        CheckFailed: the real factory beside us refused.
        FactoryError: as `prove_key` and `prove_address`.
    """
    if may_open():
        words = ["key", "set", "--stdin", "--actor", by]
        words += ["--address", given.address] if given.address else []
        words += [] if given.secret else ["--no-key"]
        return str(ask_real_factory(words, about=given.provider, secret=given.secret)["proof"])
    if given.address:
        return prove_address(given.provider, given.address, given.secret or None, by=by).words
    return prove_key(given.provider, given.secret or None, by=by).words


def last_check(provider: str) -> Call | None:
    """Return the last call that proved this maker's key."""
    checks = Call.objects.filter(agent=WHO, model__provider=provider, status=Call.Status.ANSWERED)
    return checks.order_by("-started_at").first()
