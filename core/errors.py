"""What can go wrong: one class per reason; its docstring is the message."""

from typing import ClassVar


class FactoryError(Exception):
    """The factory refused."""

    code: ClassVar[str] = "REFUSED"
    http_status: ClassVar[int] = 409

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        super().__init__(facts)

    @property
    def sentence(self) -> str:
        """The message for people: what was refused, then the facts."""
        said = (type(self).__doc__ or "").strip().splitlines()[0]
        named = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in self.facts.items())
        return f"{said} ({named})" if named else said

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence}"


class IllegalMove(FactoryError):
    """This state does not allow that move."""

    code = "INVALID_TRANSITION"


class NotFound(FactoryError):
    """There is no such thing here."""

    code = "NOT_FOUND"
    http_status = 404


class NotRegistered(FactoryError):
    """Nothing of this name is registered; the release that knew it may be gone."""

    code = "NOT_REGISTERED"
    http_status = 404


class NameTaken(FactoryError):
    """Two apps register one name; one of them would never be called."""

    code = "NAME_TAKEN"
    http_status = 500


class BadArguments(FactoryError):
    """These arguments do not fit what was asked."""

    code = "BAD_ARGUMENTS"
    http_status = 400


class BlobDamaged(FactoryError):
    """A stored file is missing or no longer what was stored."""

    code = "BLOB_DAMAGED"
    http_status = 500


class ClockFixed(FactoryError):
    """Business time moves by itself here; only a rehearsal may advance it."""

    code = "CLOCK_FIXED"
