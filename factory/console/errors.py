"""Why a factory does not start."""

from core.errors import FactoryError


class HomeTaken(FactoryError):
    """Another factory runs in this home: end it first, or set FACTORY_HOME to another folder."""

    code = "HOME_TAKEN"
