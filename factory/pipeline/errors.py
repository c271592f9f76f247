"""Why a proposal is refused."""

from core.errors import FactoryError


class BlueprintInvalid(FactoryError):
    """This blueprint breaks a rule of the house."""

    code = "BLUEPRINT_INVALID"
    http_status = 400


class PlanRefused(FactoryError):
    """This plan breaks a rule of the house and is refused whole."""

    code = "INVALID_GRAPH"
    http_status = 400


class IdeaUnclear(FactoryError):
    """This idea cannot be read: say in a sentence who needs what, for example "Remind a small firm before contracts end"."""

    code = "IDEA_UNCLEAR"
    http_status = 400


class IdeaTooLong(FactoryError):
    """This idea is longer than 32 KB."""

    code = "IDEA_TOO_LONG"
    http_status = 413


class IdeaExcluded(FactoryError):
    """This idea lies in a field that the factory leaves alone."""

    code = "IDEA_EXCLUDED"
    http_status = 422


class SandboxUnavailable(FactoryError):
    """Code of a real model runs only inside a sandbox, and this release has none yet; everything before BUILD works.

    Source: U-15.
    """

    code = "SANDBOX_UNAVAILABLE"
    http_status = 503


class HookUnknown(FactoryError):
    """Nobody of this name may send anything here."""

    code = "HOOK_UNKNOWN"
    http_status = 401


class HookTaken(FactoryError):
    """There is a sender of this name, or there was one; choose another name."""

    code = "HOOK_TAKEN"


class HookFull(FactoryError):
    """Too many messages of this sender wait to be read."""

    code = "HOOK_FULL"
    http_status = 429
    is_retryable = True
