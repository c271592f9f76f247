"""Tools: verbs offered to agents, called only through the runtime's toolbox."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from core.errors import NotRegistered
from core.registry.assignments import Assignment, Stop
from core.registry.names import put

ToolClass = Literal["read", "write", "run", "outside"]


@dataclass(frozen=True)
class ToolContext:
    """What a tool may know of the attempt that calls it."""

    assignment: Assignment
    workspace: Path
    stop: Stop


@dataclass(frozen=True)
class ToolResult:
    """What the agent is told; `is_error` when it should try something else."""

    text: str
    is_error: bool = False


class ToolHandler(Protocol):
    """Carries out one call; arguments fit the tool's schema."""

    def __call__(self, context: ToolContext, arguments: Mapping[str, Any], /) -> ToolResult:
        """Do it."""


@dataclass(frozen=True)
class Tool:
    """One verb: its name, what it does in a sentence, the schema of its arguments, its class and its handler."""

    name: str
    description: str
    schema: Mapping[str, Any]
    tool_class: ToolClass
    handler: ToolHandler


_tools: dict[str, Tool] = {}


def register_tool(
    name: str, *, description: str, schema: Mapping[str, Any], tool_class: ToolClass
) -> Callable[[ToolHandler], ToolHandler]:
    """Register the decorated function as the tool `name`."""

    def register(handler: ToolHandler) -> ToolHandler:
        put(_tools, name=name, thing=Tool(name, description, schema, tool_class, handler))
        return handler

    return register


def find_tool(name: str) -> Tool:
    """Return the tool of this name.

    Raises:
        NotRegistered: no app offers it.
    """
    if name not in _tools:
        raise NotRegistered(tool=name)
    return _tools[name]


def tool_names() -> frozenset[str]:
    """Return the names of all tools."""
    return frozenset(_tools)
