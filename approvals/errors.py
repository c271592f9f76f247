"""Why a question is not asked, an answer not taken, an effect not allowed."""

from core.errors import FactoryError


class AlreadyDecided(FactoryError):
    """This was answered before; the first answer stands."""

    code = "ALREADY_DECIDED"


class RequestOver(FactoryError):
    """The time for an answer is over, or the question was taken back; nothing happens."""

    code = "REQUEST_OVER"


class Stale(FactoryError):
    """What would happen is no longer what was shown; read it again before you answer."""

    code = "STALE"


class Forbidden(FactoryError):
    """Only the owner answers."""

    code = "FORBIDDEN"
    http_status = 403


class Misleading(FactoryError):
    """The words name an amount, a payee or a host that the answer would not be bound to; ask again without it."""

    code = "MISLEADING_WORDS"
    http_status = 400


class NotTakenBack(FactoryError):
    """This yes cannot be taken back: what it allowed has begun."""

    code = "NOT_TAKEN_BACK"


class KeyReused(FactoryError):
    """Another question was asked under this key; what changed is a new question."""

    code = "KEY_REUSED"


class ApprovalMissing(FactoryError):
    """No unused approval of exactly this is in force."""

    code = "APPROVAL_MISSING"
    http_status = 403
