"""Commands of an agent: those of the product's own environment, nothing of the factory's."""

import os
import shlex
from pathlib import Path

from agents.runtime import rules
from agents.runtime.adapters import processes
from agents.runtime.adapters.files import SHOWN_AS
from agents.runtime.errors import CommandRefused, Halted
from core.registry import Assignment, ToolContext

TIMEOUT_S = 120.0
_SHELL_SIGNS = ("&&", "||", "|", ";", ">", ">>", "<", "&")


def run_command(context: ToolContext, command: str) -> str:
    """Run one command in the workspace; return `exit N` and the end of what it wrote, with the workspace as /work.

    Raises:
        CommandRefused: not one command of the product's environment.
        Halted: the attempt was told to stop meanwhile, so the command says nothing about the work.
    """
    python = _python_of(context.assignment)
    words = _words(command)
    program = python.parent / words[0]
    if "/" in words[0] or not program.is_file():
        raise CommandRefused(
            command=words[0], why="only programs of the product's environment run, e.g. python"
        )
    home = context.workspace.parent / "home"
    home.mkdir(exist_ok=True)
    ran = processes.run(
        [str(program), *words[1:]],
        cwd=context.workspace,
        env=_environment(python, home),
        stop=context.stop,
        timeout_s=TIMEOUT_S,
    )
    if context.stop.is_set():
        raise Halted
    ended = f"killed: {ran.why}" if ran.why else f"exit {ran.code}"
    return f"{ended}\n{rules.tail(_plain(ran.out, context=context, python=python))}"


def _python_of(assignment: Assignment) -> Path:
    said = assignment.inputs.get("arguments", {}).get("python") or assignment.inputs.get("python")
    if not said:
        raise CommandRefused(why="this task has no environment to run anything in")
    return Path(said)


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise CommandRefused(command=command[:100], why=str(error)) from None
    if not words or any(word in _SHELL_SIGNS for word in words):
        raise CommandRefused(command=command[:100], why="there is no shell: give one command at a time")
    return words


def _environment(python: Path, home: Path) -> dict[str, str]:
    return {
        "PATH": f"{python.parent}{os.pathsep}{os.defpath}",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
    }


def _plain(out: str, *, context: ToolContext, python: Path) -> str:
    """The output without places of this machine: equal work reads the same everywhere."""
    for place, shown in (
        (context.workspace, SHOWN_AS),
        (context.workspace.parent, ""),
        (python.parent.parent, "/env"),
    ):
        for path in {os.path.realpath(place), str(place)}:
            out = out.replace(path, shown)
    return out.replace("\0", "")
