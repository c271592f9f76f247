"""Why money is refused."""

from core.errors import FactoryError
from core.registry import Shortage


class BudgetExceeded(FactoryError):
    """This call would pass a hard limit."""

    code = "BUDGET_EXCEEDED"
    http_status = 402
    short: Shortage | None = None
    """The limit above the task in which another day, a settlement or a raise makes room; None: waiting helps nobody."""


class BudgetBusy(BudgetExceeded):
    """This call fits the limit, but not beside what is held for other calls right now."""


class TierSpent(BudgetExceeded):
    """The day of this tier of models is spent; a lower tier may do."""

    code = "TIER_SPENT"


class SwitchSet(FactoryError):
    """This is switched off."""

    code = "SWITCH_SET"


class SwitchUnknown(FactoryError):
    """There is no such thing to switch."""

    code = "SWITCH_UNKNOWN"
    http_status = 404


class CeilingPassed(FactoryError):
    """No day may cost more than the ceiling; no setting changes that."""

    code = "CEILING_PASSED"
    http_status = 422


class LimitsUnreadable(FactoryError):
    """The table of limits cannot be read, so nothing may be spent. Source: R-02.26, R-08.22."""

    code = "LIMITS_UNREADABLE"
    http_status = 503


class HoldSettled(FactoryError):
    """This hold was settled another way already."""

    code = "HOLD_SETTLED"


class SignatureBad(FactoryError):
    """This message is not signed by the payment processor."""

    code = "SIGNATURE_BAD"
    http_status = 401


class SignatureOld(FactoryError):
    """This message was signed too long ago, or in the future."""

    code = "SIGNATURE_OLD"
    http_status = 400


class PaymentUnreadable(FactoryError):
    """This payment message cannot be read."""

    code = "PAYMENT_UNREADABLE"
    http_status = 400


class CurrencyUnknown(FactoryError):
    """There is no rate for this currency, so its value is unknown."""

    code = "CURRENCY_UNKNOWN"
    http_status = 422


class LimitUnknown(FactoryError):
    """There is no such limit to change."""

    code = "LIMIT_UNKNOWN"
    http_status = 404


class LimitOutOfRange(FactoryError):
    """An agent's day is not set so low or so high; to stop an agent, switch it off."""

    code = "LIMIT_OUT_OF_RANGE"
    http_status = 422


class RaiseForbidden(FactoryError):
    """Only the owner raises a limit, and says why."""

    code = "RAISE_FORBIDDEN"
    http_status = 403


class StandingUnreadable(FactoryError):
    """The table of standing costs cannot be read, so they are not booked."""

    code = "STANDING_UNREADABLE"
    http_status = 503


class RaiseNeedsLogin(RaiseForbidden):
    """Sign in again before you raise a limit; the last time is too long ago."""

    code = "RAISE_NEEDS_LOGIN"


class RaiseTooLong(FactoryError):
    """A raise ends within thirty days, and not in the past."""

    code = "RAISE_TOO_LONG"
    http_status = 422


class ConfirmAgain(FactoryError):
    """So large a raise is confirmed a second time, ten minutes later at the earliest; nothing was changed yet."""

    code = "CONFIRM_AGAIN"
