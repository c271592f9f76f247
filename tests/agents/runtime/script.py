"""What a scripted agent says and does in the tests of an attempt."""

from collections.abc import Callable
from typing import Any

from agents.gateway.ports import Ask, Reply
from agents.roster.models import Agent
from agents.runtime.adapters.scripted import ScriptedModel, says
from agents.runtime.services import carry_out
from core.registry import Assignment, Outcome, Stop
from tests.builders import an_assignment


class Killed(BaseException):
    """The process dies here: nothing after it happens."""


def dies(ask: Ask) -> Reply:
    """Die instead of answering."""
    raise Killed


def write(path: str = "ping/api.py", content: str = "x = 1\n") -> tuple[str, dict[str, str]]:
    """Return a wish to write a file."""
    return "write_file", {"path": path, "content": content}


BUILD = (
    says("Looking.", ("list_files", {"path": "."}), ("read_file", {"path": "README.md"})),
    says("Writing.", write(), write("ping/rules.py", "y = 2\n")),
    says("Trying.", ("run", {"command": "python -c 'import ping.api as a; print(a.x, a.__file__)'"})),
    says("Done: two files."),
)


def carried(job: Assignment, *script: Reply | Callable[[Ask], Reply]) -> tuple[Outcome, ScriptedModel]:
    """Carry out `job` with this script; return how it ended and the model that was asked."""
    model = ScriptedModel(script)
    return carry_out(job, Stop(), model=model), model


def results(model: ScriptedModel) -> list[str]:
    """Return what the model was told by tools before its last answer."""
    return [message.text for message in model.asked[-1].messages if message.role == "tool"]


def again(job: Assignment, agent: Agent, **said: Any) -> Assignment:
    """Return the next attempt at the same piece of work."""
    same = {
        "reuse_key": job.reuse_key,
        "workspace": job.workspace,
        "inputs": job.inputs,
        "limits": job.limits,
    }
    return an_assignment(agent, **{**same, **said})
