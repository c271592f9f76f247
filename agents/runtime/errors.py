"""Why an attempt ends early, and why a tool says no."""

from core.errors import FactoryError


class Halted(FactoryError):
    """The attempt was told to stop."""

    code = "HALTED"


class Stuck(FactoryError):
    """The attempt goes round in circles and was ended."""

    code = "STUCK"


class DeniedTooOften(FactoryError):
    """The agent asked three times for what it may not do; the attempt is over and the agent flagged."""

    code = "DENIED_TOO_OFTEN"
    http_status = 403


class AnswerCut(FactoryError):
    """The answer did not fit, also with the most room there is."""

    code = "ANSWER_CUT"
    http_status = 422


class PathRefused(FactoryError):
    """This path cannot be used."""

    code = "PATH_REFUSED"
    http_status = 400


class CommandRefused(FactoryError):
    """This command cannot be run."""

    code = "COMMAND_REFUSED"
    http_status = 400


class NobodyListens(FactoryError):
    """This attempt is over, or no agent works at it."""

    code = "NOBODY_LISTENS"
