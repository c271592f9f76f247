"""Why a factory does not start, and what the real one said to its rehearsal."""

from core.errors import FactoryError


class HomeTaken(FactoryError):
    """Another factory runs in this home: end it first, or set FACTORY_HOME to another folder."""

    code = "HOME_TAKEN"


class CheckFailed(FactoryError):
    """The key was not kept."""

    code = "CHECK_FAILED"
    http_status = 422

    @property
    def sentence(self) -> str:
        """What the real factory said."""
        return str(self.facts["said"])
