"""Why the portfolio refuses."""

from core.errors import FactoryError


class ModelMissing(FactoryError):
    """The sentence model is not on this machine; run scripts/fetch-model once."""

    code = "MODEL_MISSING"
    http_status = 503


class LandscapeFailed(FactoryError):
    """The process that groups the signals gave no answer."""

    code = "LANDSCAPE_FAILED"
    http_status = 503


class SignalsUnreadable(FactoryError):
    """This file of signals cannot be read."""

    code = "SIGNALS_UNREADABLE"
    http_status = 400


class TrafficUnreadable(FactoryError):
    """This file of traffic cannot be read."""

    code = "TRAFFIC_UNREADABLE"
    http_status = 400


class ScanOvertaken(FactoryError):
    """Another scan ended while this one was grouping; scan again."""

    code = "SCAN_OVERTAKEN"


class NotToValidate(FactoryError):
    """This opportunity is not ready for a test."""

    code = "NOT_TO_VALIDATE"


class NotToBuild(FactoryError):
    """A product needs an opportunity that passed its test."""

    code = "NOT_TO_BUILD"
