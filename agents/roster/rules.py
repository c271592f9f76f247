"""What an agent file may say, and what a whole roster must hold."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from agents.roster.errors import Fault

OWNER = "owner"
RESERVED = frozenset({OWNER, "human", "system"})
CHANNELS = frozenset({"dashboard", "chat", "email", "social", "repository"})
SKILLS: frozenset[str] = frozenset()
Access = Literal["none", "read", "write"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Limits(_Part):
    """How much one agent may do and spend. Source: R-03.3."""

    max_parallel: int = Field(default=1, ge=1, le=10)
    requests_per_min: int = Field(
        default=600, ge=1, le=10_000, description="Model calls begun within a minute: a loop, not work."
    )
    max_cost_per_task_usd: Decimal = Field(default=Decimal(5), gt=0, le=5)
    daily_cap_usd: Decimal | None = Field(
        default=None, ge=1, le=100, description="None: the table of limits says."
    )
    requires_approval: tuple[str, ...] = ()


class EngineRights(BaseModel):
    """What one run of an engine may ask of models, and who pays.

    Attributes:
        scopes: ids of the billing scopes that pay.
        may_ask: names of models; none: any.
        max_tokens: how much one answer may hold where the engine does not say; None: it must say.
        correlation_id: the story its calls belong to.
        security_sensitive, untrusted_input, local_only: which models may see it at all, by name too; as of an `Intent`.
    """

    model_config = ConfigDict(frozen=True)

    scopes: tuple[UUID, ...]
    may_ask: tuple[str, ...] = ()
    max_tokens: int | None = Field(default=None, ge=1)
    correlation_id: UUID | None = None
    security_sensitive: bool = False
    untrusted_input: bool = False
    local_only: bool = False


class Memory(_Part):
    """Which memories an agent has."""

    working: bool = True
    episodic: bool = True
    semantic: bool = False
    shared: Access = "none"


class Definition(_Part):
    """The front matter of an agent file; what is left out has the values below. Source: R-03.2."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$")
    role: str = Field(min_length=1, max_length=80)
    tagline: str = Field(default="", max_length=160)
    team: Literal["build", "discovery", "growth", "operations"] = "operations"
    starts_enabled: bool = Field(default=False, description="Whether a fresh factory switches it on.")
    quality: Literal["best", "good", "acceptable"] = "good"
    thinking: Literal["off", "low", "extended"] = "off"
    preferred_provider: Literal["", "anthropic", "openai"] = ""
    preferred_model: str = ""
    fallback_model: str = ""
    max_tokens: int = Field(default=4096, ge=1, le=32_768)
    temperature: float = Field(default=0.3, ge=0, le=1)
    tools: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    limits: Limits = Limits()
    escalation: str = "kev"
    sandbox: Literal["standard", "hardened", "maximum"] = "standard"
    memory: Memory = Memory()
    absorbed_by: str = ""

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name.lower() in RESERVED:
            raise ValueError("this name is reserved")
        return name

    @field_validator("thinking", mode="before")
    @classmethod
    def _off_is_a_word(cls, thinking: Any) -> Any:
        """YAML reads a bare `off` as false."""
        return "off" if thinking is False else thinking


@dataclass(frozen=True)
class AgentFile:
    """One readable agent file; its version is the SHA-256 of its bytes."""

    file: str
    sha256: str
    definition: Definition
    body: str


def read_file(name: str, content: bytes, *, tools: Set[str]) -> AgentFile | list[Fault]:
    """Return what the file says, or everything that is wrong in it."""
    parts = re.match(
        r"---\n(.*?)\n---\n(.*)", content.decode(errors="replace").replace("\r\n", "\n"), re.DOTALL
    )
    if not parts:
        return [Fault(name, "front matter", "the file does not begin with a block between two lines `---`")]
    try:
        definition = Definition.model_validate(yaml.safe_load(parts[1]) or {})
    except yaml.YAMLError as error:
        return [Fault(name, "front matter", " ".join(str(error).split()))]
    except ValidationError as error:
        return [Fault(name, ".".join(map(str, e["loc"])) or "front matter", e["msg"]) for e in error.errors()]
    body = parts[2].strip()
    faults = [Fault(name, field, reason) for field, reason in _unknown(definition, tools=tools)]
    if not re.search(r"\w[^.!?]*[.!?]", body):
        faults.append(Fault(name, "body", "at least one sentence is needed"))
    return faults or AgentFile(name, sha256(content).hexdigest(), definition, body)


def _unknown(definition: Definition, *, tools: Set[str]) -> Iterator[tuple[str, str]]:
    known = {"tools": tools, "skills": SKILLS, "channels": CHANNELS}
    for field, names in known.items():
        for name in sorted(set(getattr(definition, field)) - names):
            yield field, f"unknown: {name}"


def roster_faults(files: Sequence[AgentFile]) -> list[Fault]:
    """Return what is wrong between files: a name twice, a stranger named, an escalation that never reaches the owner. Source: R-03.4."""
    by_name = {file.definition.name.lower(): file for file in files}
    chains = {name: file.definition.escalation.lower() for name, file in by_name.items()}
    faults = [
        Fault(
            file.file,
            "name",
            f"{file.definition.name} is also in {by_name[file.definition.name.lower()].file}",
        )
        for file in files
        if by_name[file.definition.name.lower()] is not file
    ]
    for name, file in by_name.items():
        if reason := _escalation_fault(name, chains):
            faults.append(Fault(file.file, "escalation", reason))
        successor = file.definition.absorbed_by.lower()
        if successor and (successor not in by_name or successor == name):
            faults.append(Fault(file.file, "absorbed_by", f"no other agent is called {successor}"))
    return faults


def _escalation_fault(start: str, chains: Mapping[str, str]) -> str:
    seen, name = [start], chains[start]
    while name != OWNER:
        if name not in chains:
            return f"no agent is called {name}"
        if name in seen:
            return f"a loop that never reaches the owner: {' > '.join([*seen, name])}"
        seen.append(name)
        name = chains[name]
    return ""


def why_denied(
    *, tool: str, allowed: Sequence[str], is_enabled: bool, ends_at: datetime, now: datetime
) -> str:
    """Return why this call is refused, or an empty text."""
    if now >= ends_at:
        return "the attempt is over"
    if not is_enabled:
        return "the agent is switched off"
    return "" if tool in allowed else "not in the agent's list"


def join_prompt(*layers: str) -> str:
    """Return the layers in their order; the same layers give the same bytes. Source: R-03.6."""
    return "\n\n".join(layer.strip() for layer in layers if layer.strip()) + "\n"


STATUSES = ("online", "busy", "draining", "offline", "quarantined", "disabled")


def status_of(
    *, is_enabled: bool, is_flagged: bool, is_draining: bool, is_busy: bool, is_reachable: bool
) -> str:
    """Return how an agent stands, the gravest word first. Source: R-03.16."""
    if not is_enabled:
        return "quarantined" if is_flagged else "disabled"
    if is_draining:
        return "draining"
    if is_busy:
        return "busy"
    return "online" if is_reachable else "offline"
