"""Why a trace store was not told."""

from core.errors import FactoryError


class StoreSilent(FactoryError):
    """The trace store did not answer, or is out of order; it is told again later."""

    code = "STORE_SILENT"
    http_status = 503


class StoreRefused(FactoryError):
    """The trace store refuses what was sent and would refuse it again."""

    code = "STORE_REFUSED"
    http_status = 422


class NotAtOnce(FactoryError):
    """This cannot be sent in one request: it is too large, or something in it cannot be encoded."""

    code = "STORE_NOT_AT_ONCE"
    http_status = 413
