"""Asks the rehearsal server as the platform does, over both protocols, and does the tool calls it wants."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import jsonschema

from core.adapters.tls import trusted

Json = dict[str, Any]
TOOLS: dict[str, list[str]] = {
    "list_files": ["path"],
    "read_file": ["path"],
    "write_file": ["path", "content"],
    "search": ["pattern"],
    "run": ["command"],
}
MOST_CALLS = 20


@dataclass
class Models:
    """Both providers behind one socket; keeps what was asked and counts what happened."""

    uds: Path
    log: list[tuple[str, Json]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    def post(self, path: str, body: Json) -> Json:
        """One call that must be taken."""
        self.log.append((path, body))
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self.uds), verify=trusted()), timeout=60
        ) as client:
            answer = client.post(f"http://rehearsal{path}", json=body)
        assert answer.status_code == 200, answer.text
        self.seen["calls"] += 1
        made: Json = answer.json()
        return made

    def fill(self, schema: Json, prompt: str, *, model: str = "gpt-5.2") -> Json:
        """A valid instance of `schema`: repaired, and asked for with more room when it was cut."""
        messages, room = [{"role": "user", "content": prompt}], 16_000
        for _ in range(4):
            shape = {"name": schema["title"], "schema": schema, "strict": True}
            body = {"model": model, "messages": messages, "max_completion_tokens": room}
            said = self.post(
                "/v1/chat/completions",
                {**body, "response_format": {"type": "json_schema", "json_schema": shape}},
            )
            text, stop = said["choices"][0]["message"]["content"] or "", said["choices"][0]["finish_reason"]
            if stop == "length":
                room *= 2
                continue
            try:
                made: Json = json.loads(text)
                jsonschema.validate(made, schema)
            except (ValueError, jsonschema.ValidationError) as problem:
                self.seen["repairs"] += 1
                told = f"This is not valid: {str(problem)[:300]}. Answer with the whole JSON."
                messages += [{"role": "assistant", "content": text}, {"role": "user", "content": told}]
            else:
                return made
        raise AssertionError("no valid answer in four tries")

    def work(self, brief: str, clone: Path, *, globs: str) -> str:
        """The agent loop in `clone` under the platform's stop rules; gives the closing sentence."""
        messages: list[Json] = [{"role": "user", "content": brief}]
        tools = [{"name": name, "input_schema": parameters_of(keys)} for name, keys in TOOLS.items()]
        room, done, sizes = 16_000, 0, [0.0]
        while True:
            body = {
                "model": "claude-sonnet-5",
                "system": "You are Rex.",
                "messages": messages,
                "tools": tools,
            }
            said = self.post("/v1/messages", {**body, "max_tokens": room})
            sizes.append(said["usage"]["input_tokens"])
            assert not _grows(sizes), sizes
            if said["stop_reason"] == "max_tokens":
                room *= 2
                continue
            calls = [block for block in said["content"] if block["type"] == "tool_use"]
            if not calls:
                return "".join(block["text"] for block in said["content"])
            done += len(calls)
            assert done <= MOST_CALLS, [call["name"] for call in calls]
            self.seen["most_calls"] = max(self.seen["most_calls"], done)
            results = [
                {"type": "tool_result", "tool_use_id": c["id"], **self._do(c, clone, globs)} for c in calls
            ]
            messages += [
                {"role": "assistant", "content": said["content"]},
                {"role": "user", "content": results},
            ]

    def _do(self, call: Json, clone: Path, globs: str) -> Json:
        name, given = call["name"], call["input"]
        if set(given) != set(TOOLS[name]):
            self.seen["bad_arguments"] += 1
            return {"content": f"error: wrong arguments: {sorted(given)}", "is_error": True}
        path = clone / given.get("path", ".")
        if name == "list_files":
            return {
                "content": "\n".join(
                    sorted(str(p.relative_to(clone)) for p in clone.rglob("*") if p.is_file())
                )
            }
        if name == "read_file":
            return (
                {"content": path.read_text()}
                if path.is_file()
                else {"content": "error: no file", "is_error": True}
            )
        if name == "write_file":
            assert any(fnmatch(given["path"], glob) for glob in globs.split()), given["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(given["content"])
            return {"content": "written"}
        code, output = run(given["command"], clone)
        self.seen["failed_runs"] += code != 0
        return {"content": f"exit {code}\n{output[-4000:]}"}


def run(command: str, clone: Path) -> tuple[int, str]:
    """Exit code and output of a `python ...` command in `clone`."""
    words = [sys.executable, *command.split()[1:]]
    ran = subprocess.run(  # noqa: S603  our own words
        words, cwd=clone, capture_output=True, text=True, timeout=120, check=False
    )
    return ran.returncode, (ran.stdout + ran.stderr).replace(str(clone), "/work")


def parameters_of(keys: list[str]) -> Json:
    """The schema of a tool that takes these texts."""
    texts = {key: {"type": "string"} for key in keys}
    return {"type": "object", "properties": texts, "required": keys, "additionalProperties": False}


def _grows(sizes: list[float]) -> bool:
    """True when the last three turns were each more than a fifth larger."""
    pairs = list(pairwise(sizes[1:]))[-3:]
    return len(pairs) == 3 and all(after > 1.2 * before for before, after in pairs)
