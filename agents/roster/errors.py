"""Why a definition, an agent or a tool call is refused."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import FactoryError


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in one file."""

    file: str
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.field}: {self.reason}"


class InvalidRoster(FactoryError):
    """The agent files cannot be used; nothing was changed."""

    code = "INVALID_ROSTER"
    http_status = 400

    def __init__(self, *, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(faults="; ".join(map(str, faults)))


class UnknownAgent(FactoryError):
    """No agent of this name is on the roster."""

    code = "UNKNOWN_AGENT"
    http_status = 404


class AgentSwitchedOff(FactoryError):
    """This agent is switched off and takes no work."""

    code = "AGENT_SWITCHED_OFF"


class ToolDenied(FactoryError):
    """This agent may not do that."""

    code = "TOOL_DENIED"
    http_status = 403
