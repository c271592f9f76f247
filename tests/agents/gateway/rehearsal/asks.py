"""Requests as the platform sends them, and the model asked without a server."""

import json
from pathlib import PurePosixPath
from typing import Any

from agents.gateway.adapters.rehearsal.answer import answer
from agents.gateway.adapters.rehearsal.dice import Seed
from factory.pipeline.rules.answers import BLUEPRINT
from tests.agents.gateway.rehearsal.models import TOOLS, parameters_of

Json = dict[str, Any]
IDEAS = {
    "heartbeat": "Cron job monitoring that tells me when a nightly job did not run",
    "watch": "A page watcher that only reports what matters",
    "register": "Keep track of software licences and remind the owner before renewal",
}
CRONPILOT = (
    'Built-in reference product "CronPilot" (job monitoring): ping address per check (GET/POST, optional duration), '
    "check every 60 s for missed period + grace, mail and webhook alerts, list, history, plans $7/19/49 for "
    "20/100/500 checks with 7/90/365 days of history."
)


def openai_body(*messages: Json, **more: Any) -> Json:
    """A chat completion."""
    return {"model": "gpt-5.2", "messages": list(messages), "max_completion_tokens": 16_000, **more}


def anthropic_body(*messages: Json, **more: Any) -> Json:
    """A message with the coder's tools."""
    tools = [{"name": name, "input_schema": parameters_of(keys)} for name, keys in TOOLS.items()]
    return {
        "model": "claude-sonnet-5",
        "messages": list(messages),
        "max_tokens": 16_000,
        "tools": tools,
        **more,
    }


def structured(schema: Json, prompt: str, **more: Any) -> Json:
    """A chat completion that must answer by `schema`."""
    shape = {
        "type": "json_schema",
        "json_schema": {"name": schema["title"], "schema": schema, "strict": True},
    }
    return openai_body({"role": "user", "content": prompt}, response_format=shape, **more)


def said(body: Json, *, seed: str = "7:clean", path: str = "/v1/chat/completions") -> Json:
    """The whole answer of the model to `body`."""
    reply = answer(path, json.dumps(body).encode(), seed=Seed.read(seed))
    made: Json = json.loads(b"".join(reply.frames))
    return made


def text_of(body: Json, *, seed: str = "7:clean") -> str:
    """The text that the model answers on OpenAI's wire."""
    return str(said(body, seed=seed)["choices"][0]["message"]["content"])


def blueprint_of(idea: str, *, seed: str = "7:clean") -> Json:
    """The blueprint of an idea, straight from the model's knowledge."""
    prompt = f"Write the blueprint.\n<idea>{idea}</idea>"
    body = structured(BLUEPRINT, prompt)
    tries = (text_of({**body, "max_completion_tokens": 16_000 << n}, seed=seed) for n in range(9))
    return next(made for made in map(_object, tries) if "core_function" in made)


def _object(text: str) -> Json:
    try:
        made = json.loads(text)
    except ValueError:
        return {}
    return made if isinstance(made, dict) else {}


class Workspace:
    """Files in memory; every command ends well, or as `fails` says."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = dict(files)
        self.written: list[str] = []
        self.read: list[str] = []

    def use(self, name: str, given: Json) -> str:
        """Do one tool call."""
        if set(given) != set(TOOLS[name]):
            return "error: wrong arguments"
        if name == "list_files":
            return "\n".join(sorted(self.files))
        path = str(PurePosixPath(given.get("path", "")))
        if name == "read_file":
            self.read.append(path)
            return self.files.get(path, "error: no such file")
        if name == "write_file":
            self.written.append(path)
            self.files[path] = given["content"]
            return "written"
        return "exit 0\nRan 12 tests in 0.123s\n\nOK"


def work(
    brief: str, workspace: Workspace, *, seed: str = "7:clean"
) -> tuple[list[list[str]], list[int], str]:
    """The agent loop in memory: the calls of each turn, the prompt tokens of each, and the closing sentence."""
    messages: list[Json] = [{"role": "user", "content": brief}]
    turns: list[list[str]] = []
    sizes: list[int] = []
    room = 16_000
    while True:
        answered = said(anthropic_body(*messages, max_tokens=room), seed=seed, path="/v1/messages")
        if answered["stop_reason"] == "max_tokens":
            room *= 2
            continue
        sizes.append(answered["usage"]["input_tokens"])
        calls = [block for block in answered["content"] if block["type"] == "tool_use"]
        if not calls:
            return turns, sizes, "".join(block["text"] for block in answered["content"])
        turns.append([call["name"] for call in calls])
        results = [(call["id"], workspace.use(call["name"], call["input"])) for call in calls]
        told = [
            {
                "type": "tool_result",
                "tool_use_id": id_,
                "content": text,
                "is_error": text.startswith("error:"),
            }
            for id_, text in results
        ]
        messages += [{"role": "assistant", "content": answered["content"]}, {"role": "user", "content": told}]
