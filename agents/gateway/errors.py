"""Why no model answers."""

from uuid import UUID

from core.errors import FactoryError
from core.redact import MASKED, mask_secrets

_MOST_WORDS = 20_000


class NoCapableModel(FactoryError):
    """No model that is switched on can do this."""

    code = "NO_CAPABLE_MODEL"
    http_status = 422


class PriceUnknown(FactoryError):
    """Nobody knows what this model costs, so it is not called; write its price into data/prices.yaml. Source: R-02.27."""

    code = "PRICE_UNKNOWN"
    http_status = 422


class CostUnbounded(FactoryError):
    """Nobody can say what this request costs at most, so it is not sent."""

    code = "COST_UNBOUNDED"
    http_status = 422
    advice = "Leave it out: a tool of the maker's own, like its web search, is switched off where the engine is set up."


class UsageUnreadable(FactoryError):
    """This is no file of what providers billed: lines of day, provider, cost_usd."""

    code = "USAGE_UNREADABLE"
    http_status = 422


class PricesUnreadable(FactoryError):
    """The table of prices cannot be used."""

    code = "PRICES_UNREADABLE"
    http_status = 503


class ReviewerUnavailable(FactoryError):
    """Only the author's own provider is switched on, so nobody else can review."""

    code = "REVIEWER_UNAVAILABLE"
    http_status = 422


class AllProvidersDown(FactoryError):
    """No provider answered this call."""

    code = "ALL_PROVIDERS_DOWN"
    http_status = 503


class ProvidersUnreachable(AllProvidersDown):
    """No provider can be reached, or takes our key; nothing was billed."""

    misses = "gateway"


class RateLimited(FactoryError):
    """The only provider asks to wait; nothing was billed, and the work that asked can wait."""

    code = "RATE_LIMITED"
    http_status = 429
    is_retryable = True
    misses = "gateway"


class LaneBusy(RateLimited):
    """This model takes no more calls at once, or this agent began too many within a minute, and it did not change in time."""

    misses = ""


class BatchPending(FactoryError):
    """The answer comes within a day, for half the price; the work goes on then."""

    code = "BATCH_PENDING"
    http_status = 202


class Stopped(FactoryError):
    """Everything is stopped, or this piece of work is: no model is called."""

    code = "STOPPED"


class ModelUnknown(FactoryError):
    """No model of this name is switched on here."""

    code = "MODEL_UNKNOWN"
    http_status = 404


class ModelForbidden(FactoryError):
    """This run may not ask this model."""

    code = "MODEL_FORBIDDEN"
    http_status = 403


class NotTranslatable(FactoryError):
    """This model's provider speaks another protocol, and this part has no meaning there; leave it out or ask another model."""

    code = "NOT_TRANSLATABLE"
    http_status = 422


class DoorFull(FactoryError):
    """Too many answers are open in this process."""

    code = "DOOR_FULL"
    http_status = 429
    is_retryable = True


class DoorBroke(FactoryError):
    """Something broke in here, which is no fault of what was asked; the log says what."""

    code = "DOOR_BROKE"
    http_status = 500
    is_retryable = True


class BooksUnreachable(FactoryError):
    """The books cannot be read, so nothing may be spent."""

    code = "BOOKS_UNREACHABLE"
    http_status = 503
    is_retryable = True


class InvalidAnswer(FactoryError):
    """The model's answer does not fit its schema, also after a repair and one tier up."""

    code = "INVALID_ANSWER"
    http_status = 422


class BadAsk(FactoryError):
    """This request lacks what every model call must say; nothing was called."""

    code = "BAD_ASK"
    http_status = 400


class ProviderFault(FactoryError):
    """This attempt of a call failed.

    Attributes:
        kind: `rate_limited`, `server`, `unreachable`, `refused_us`, `refused_request`, `silent`, `cut` or `garbled`.
        is_free: the provider surely billed nothing.
        retry_after_s: how long it asks to wait; None: it did not say.
        words: what it said, shortened, without what looks like a key.
        call_id: the row of the attempt; None: nothing left.
    """

    code = "PROVIDER_FAULT"
    http_status = 502

    def __init__(
        self, kind: str, *, is_free: bool, words: str = "", retry_after_s: float | None = None
    ) -> None:
        self.kind, self.is_free, self.retry_after_s = kind, is_free, retry_after_s
        self._said = words[:_MOST_WORDS].encode(errors="replace").decode().replace("\0", "?")
        self.words = mask_secrets(self._said)[:300]
        self.call_id: UUID | None = None
        super().__init__(kind=kind, words=self.words)

    def hiding(self, key: str) -> "ProviderFault":
        """Return it without the key it was called with, which some providers repeat in their refusals."""
        words = self._said.replace(key, MASKED) if key else self._said
        return ProviderFault(self.kind, is_free=self.is_free, words=words, retry_after_s=self.retry_after_s)


class KeyMissing(FactoryError):
    """There is no key for this model maker."""

    code = "KEY_MISSING"
    http_status = 422
    advice = "Set one under First day, or with `factory key set`."


class KeyUnusable(FactoryError):
    """That is no key: paste it whole, without spaces."""

    code = "KEY_UNUSABLE"
    http_status = 422


class KeyFromEnvironment(FactoryError):
    """This key stands in the environment, which wins: change it there, then start the factory again."""

    code = "KEY_FROM_ENVIRONMENT"


class KeyRefused(FactoryError):
    """The model maker does not take this key; nothing was stored."""

    code = "KEY_REFUSED"
    http_status = 422
    advice = "Look whether it was copied whole and is still valid."


class MakerBusy(FactoryError):
    """The model maker asks to wait before it looks at this key; nothing was stored."""

    code = "MAKER_BUSY"
    http_status = 429
    is_retryable = True


class MakerSilent(FactoryError):
    """Nobody answers at this address; nothing was stored."""

    code = "MAKER_SILENT"
    http_status = 503
    is_retryable = True


class ListUnreadable(FactoryError):
    """What answers at this address does not list models as a model maker does; nothing was stored."""

    code = "LIST_UNREADABLE"
    http_status = 422


class AddressUnusable(FactoryError):
    """This cannot be the address of a model maker."""

    code = "ADDRESS_UNUSABLE"
    http_status = 422


class OnlyRehearsed(FactoryError):
    """This database rehearses, and stays so: a key belongs to a real factory."""

    code = "ONLY_REHEARSED"
    advice = (
        "Start without FACTORY_MODE, or with FACTORY_MODE=real and a home of its own; on PostgreSQL with "
        "FACTORY_MODE=real and an empty database in FACTORY_DATABASE_URL."
    )


class PriceKnown(FactoryError):
    """The price table says what this model costs, and it wins over what a person enters; a new price is a new line in it."""

    code = "PRICE_KNOWN"
