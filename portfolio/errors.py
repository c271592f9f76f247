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


class IdeaTooLong(FactoryError):
    """An idea fits in 4,000 characters."""

    code = "IDEA_TOO_LONG"
    http_status = 413


class IdeaUnclear(FactoryError):
    """Say in a sentence what the product does and for whom."""

    code = "IDEA_UNCLEAR"
    http_status = 400


class IdeaExcluded(FactoryError):
    """The factory does not build this, by rule."""

    code = "IDEA_EXCLUDED"
    http_status = 409
