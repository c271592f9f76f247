"""The tools of whoever works in a repository."""

from collections.abc import Mapping
from typing import Any

from agents.runtime.adapters import files
from agents.runtime.services.commands import run_command
from core.adapters.disk import needing_room
from core.registry import ToolContext, ToolResult, register_tool

TEXT = {"type": "string"}
Arguments = Mapping[str, Any]


def _texts(*names: str) -> Mapping[str, Any]:
    """The schema of arguments that are all texts and all needed."""
    return {
        "type": "object",
        "properties": dict.fromkeys(names, TEXT),
        "required": list(names),
        "additionalProperties": False,
    }


@register_tool(
    "list_files",
    description="List all files below a folder of the workspace, one a line; `.` is the workspace.",
    schema=_texts("path"),
    tool_class="read",
)
def list_files(context: ToolContext, arguments: Arguments, /) -> ToolResult:
    """List a folder."""
    return ToolResult(files.list_files(context.workspace, arguments["path"]))


@register_tool(
    "read_file", description="Read a text file of the workspace.", schema=_texts("path"), tool_class="read"
)
def read_file(context: ToolContext, arguments: Arguments, /) -> ToolResult:
    """Read a file."""
    return ToolResult(files.read_file(context.workspace, arguments["path"]))


@register_tool(
    "write_file",
    description="Write a whole text file; folders are made. Only on the paths the brief allows.",
    schema=_texts("path", "content"),
    tool_class="write",
)
def write_file(context: ToolContext, arguments: Arguments, /) -> ToolResult:
    """Write a file where this attempt may write."""
    ref = context.assignment.workspace
    told = files.write_file(
        context.workspace, arguments["path"], content=arguments["content"], globs=ref.may_write if ref else ()
    )
    return ToolResult(told)


@register_tool(
    "search",
    description="Find the lines that hold an extended regular expression, as path:line:text.",
    schema=_texts("pattern"),
    tool_class="read",
)
def search(context: ToolContext, arguments: Arguments, /) -> ToolResult:
    """Search all files."""
    return ToolResult(files.search(context.workspace, arguments["pattern"]))


@register_tool(
    "run",
    description="Run one command of the product's environment in the workspace, without a shell: "
    "`python manage.py test`. Answers `exit N`, then the end of what it wrote.",
    schema=_texts("command"),
    tool_class="run",
)
def run(context: ToolContext, arguments: Arguments, /) -> ToolResult:
    """Run a command."""
    with needing_room(context.workspace, what=f"to run {arguments['command'][:80]}"):
        return ToolResult(run_command(context, arguments["command"]))
