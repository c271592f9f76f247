"""Why a release could not be delivered."""

from core.errors import FactoryError


class EdgeUnavailable(FactoryError):
    """The process that serves the products does not answer."""

    code = "EDGE_UNAVAILABLE"
    http_status = 503
    misses = "edge"


class NotServed(EdgeUnavailable):
    """The process that serves the products answers, and users do not meet the release all the same."""

    misses = ""


class TableRefused(FactoryError):
    """The edge does not understand what it was asked to run."""

    code = "TABLE_REFUSED"
    http_status = 400


class StaleGeneration(FactoryError):
    """The edge already follows a newer table; read its state and decide again."""

    code = "STALE_GENERATION"


class UnknownLaunch(FactoryError):
    """The edge runs no such launch."""

    code = "UNKNOWN_LAUNCH"
    http_status = 404


class PortTaken(FactoryError):
    """The product's port is not to be had."""

    code = "PORT_TAKEN"
    http_status = 503


class NotFit(FactoryError):
    """This artifact may not be released."""

    code = "NOT_FIT"


class TrialFailed(FactoryError):
    """The release did not keep its promises before any user met it."""

    code = "TRIAL_FAILED"


class TrialDisturbed(TrialFailed):
    """The release, or what carries its answers, died while it was tried."""

    code = "TRIAL_DISTURBED"


class ReleaseChanged(FactoryError):
    """Somebody else moved this release first; read it again."""

    code = "RELEASE_CHANGED"


class LaunchStopped(FactoryError):
    """The launch was interrupted; nothing changed for users, and it goes on later."""

    code = "LAUNCH_STOPPED"


class NoPortFree(FactoryError):
    """Every port of FACTORY_PRODUCT_PORTS is in use."""

    code = "NO_PORT_FREE"
    http_status = 503
