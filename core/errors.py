"""What can go wrong: one class per reason; its docstring is the message."""

from typing import ClassVar


class FactoryError(Exception):
    """The factory refused."""

    code: ClassVar[str] = "REFUSED"
    http_status: ClassVar[int] = 409
    is_retryable: ClassVar[bool] = False
    """Whether the same call may succeed later."""
    advice: ClassVar[str] = ""
    """What whoever called can do about it; empty: the sentence says it."""
    misses: ClassVar[str] = ""
    """The service that did not answer, e.g. `gateway`: it says nothing about the work, which waits for it."""

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


class TokenEnded(FactoryError):
    """This token opens nothing."""

    code = "TOKEN_ENDED"
    http_status = 401
    advice = "Ask for a new one at /api/v1/tokens/ while signed in."


class IdentityInBody(FactoryError):
    """Who calls is known by the token alone; a body never says it."""

    code = "IDENTITY_IN_BODY"
    http_status = 400
    advice = "Leave these fields out."


class KeyOfAnotherRequest(FactoryError):
    """Something else was asked under this idempotency key."""

    code = "KEY_OF_ANOTHER_REQUEST"
    advice = "Take a fresh key for a fresh request."


class AlreadyTold(FactoryError):
    """This was done under the same key before, and its answer held a secret that is told once."""

    code = "ALREADY_TOLD"


class TooFast(FactoryError):
    """That is more than this token may ask in a minute."""

    code = "TOO_FAST"
    http_status = 429
    is_retryable = True
    advice = "Wait as long as Retry-After says."


class TooLarge(FactoryError):
    """This body is too large."""

    code = "TOO_LARGE"
    http_status = 413


class PeopleAlone(FactoryError):
    """Only a person may do that, and a token only where it says so."""

    code = "PEOPLE_ALONE"
    http_status = 403
    advice = "Sign in and do it there."


class NotYours(FactoryError):
    """This belongs to somebody else's work."""

    code = "NOT_YOURS"
    http_status = 403


class SettingUnknown(FactoryError):
    """This setting or version of it is not known here; another release may have written it."""

    code = "SETTING_UNKNOWN"
    http_status = 404


class SettingChanged(FactoryError):
    """Somebody changed this setting meanwhile; nothing was changed now."""

    code = "SETTING_CHANGED"


class LineRefused(FactoryError):
    """The factory refused what this node asked or brought."""

    code = "LINE_REFUSED"
    http_status = 403


class NoticeRefused(FactoryError):
    """A channel did not take this notice."""

    code = "NOTICE_REFUSED"
    http_status = 502


class SecretUnreadable(FactoryError):
    """A stored secret cannot be opened here; enter it again, or bring back the file box_key it was sealed with."""

    code = "SECRET_UNREADABLE"
    http_status = 503


class DiskFull(FactoryError):
    """The disk is full; free some space, then the work goes on by itself."""

    code = "DISK_FULL"
    http_status = 503
    is_retryable = True
    misses = "disk"


class AnotherFactory(FactoryError):
    """This database belongs to another factory: its secret key is not ours."""

    code = "ANOTHER_FACTORY"
    advice = (
        "Take the FACTORY_HOME or FACTORY_SECRET_KEY of that factory, or another database in FACTORY_DATABASE_URL. "
        "Where the key was replaced on purpose and nothing else runs: factory adopt."
    )


class ModeFixed(FactoryError):
    """This database was made for the other mode and keeps it; name another one."""

    code = "MODE_FIXED"
    advice = "Another FACTORY_HOME, or another database in FACTORY_DATABASE_URL."
