"""The staff: read from files, all at once or not at all; switched and flagged by hand and by code."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.roster.errors import Fault, InvalidRoster, UnknownAgent
from agents.roster.models import Agent, AgentVersion
from agents.roster.rules import AgentFile, read_file, roster_faults
from billing.models import Scope
from billing.services import open_scope, set_limit, team_scope
from core.money import to_microusd
from core.registry import tool_names
from core.services import audit, publish

PREAMBLE = "preamble.md"


@dataclass(frozen=True)
class SyncReport:
    """What a sync found: how many agents, and the names of those that are new, changed, or no longer in the folder."""

    agents: int
    added: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]


def sync_agents(folder: Path) -> SyncReport:
    """Make the roster what the files in `folder` say, in one transaction; a second run changes nothing. Source: R-03.1, R-03.5.

    New agents start as their file says; the switch of an agent already here stays as the owner set it.

    Raises:
        InvalidRoster: its `faults` name file, field and reason; nothing was changed.
    """
    files = _read_folder(folder)
    with transaction.atomic():
        report = _write_roster(files)
        if report.added or report.changed or report.gone:
            audit(actor="system", verb="roster.sync_agents", subject=f"{report.agents} agents",
                  added=report.added, changed=report.changed, gone=report.gone)  # fmt: skip
            publish("roster.agents_synced", agents=report.agents)
    return report


def _read_folder(folder: Path) -> list[AgentFile]:
    paths = sorted(path for path in folder.glob("*.md") if path.name != PREAMBLE)
    read = [read_file(path.name, path.read_bytes(), tools=tool_names()) for path in paths]
    files = [item for item in read if isinstance(item, AgentFile)]
    faults = [fault for item in read if not isinstance(item, AgentFile) for fault in item]
    if not faults:
        faults = roster_faults(files)
    if not (folder / PREAMBLE).is_file():
        faults.append(Fault(PREAMBLE, "file", "it is missing"))
    if not paths:
        faults.append(Fault(folder.name, "folder", "it holds no agent file"))
    if faults:
        raise InvalidRoster(faults=faults)
    return files


def _write_roster(files: Sequence[AgentFile]) -> SyncReport:
    before = {agent.name: agent for agent in Agent.objects.select_related("version")}
    added, changed = [], []
    for file in files:
        name = file.definition.name
        version = _keep_version(file)
        if name not in before:
            _hire(file, version)
            added.append(name)
        elif before[name].version_id != version.pk:
            Agent.objects.filter(name=name).update(version=version, role=file.definition.role)
            _scope_of(file)
            _cap_day(before[name], file)
            changed.append(name)
    gone = sorted(
        name
        for name, agent in before.items()
        if agent.is_enabled and name not in {f.definition.name for f in files}
    )
    Agent.objects.filter(name__in=gone).update(is_enabled=False)
    return SyncReport(len(files), tuple(added), tuple(changed), tuple(gone))


def _keep_version(file: AgentFile) -> AgentVersion:
    said = {"name": file.definition.name, "front": file.definition.model_dump(mode="json"), "body": file.body}
    return AgentVersion.objects.get_or_create(sha256=file.sha256, defaults=said)[0]


def _hire(file: AgentFile, version: AgentVersion) -> None:
    said = file.definition
    scope = _scope_of(file)
    agent = Agent.objects.create(
        name=said.name, role=said.role, is_enabled=said.starts_enabled, version=version, scope=scope
    )
    _cap_day(agent, file)


def _scope_of(file: AgentFile) -> Scope:
    """Return the scope of this agent; its team pays with it."""
    said = file.definition
    return open_scope(kind="agent", ref=said.name, label=said.name, parent=team_scope(said.team))


def _cap_day(agent: Agent, file: AgentFile) -> None:
    cap = file.definition.limits.daily_cap_usd
    if cap is not None:
        set_limit(agent.scope, period="day", cap_microusd=to_microusd(cap))


def find_agent(name: str) -> Agent:
    """Return the agent of this name, whatever the case.

    Raises:
        UnknownAgent: none is called so.
    """
    agent = Agent.objects.named(name).first()
    if agent is None:
        raise UnknownAgent(name=name)
    return agent


@transaction.atomic
def switch_agent(name: str, *, is_enabled: bool, by: str, why: str = "") -> None:
    """Switch an agent on or off; a running attempt is refused its next tool. Safe to run twice.

    Switched on, it takes work again: it drains no more, and what somebody had to look at is looked at.
    """
    agent = find_agent(name)
    said: dict[str, Any] = {"is_enabled": is_enabled, "draining_at": None}
    if is_enabled:
        said |= {"flagged_at": None, "flag_reason": ""}
    changed = Agent.objects.filter(pk=agent.pk).exclude(
        is_enabled=is_enabled, draining_at=None, **({"flagged_at": None} if is_enabled else {})
    )
    if changed.update(**said):
        audit(actor=by, verb="roster.switch_agent", subject=agent.name, is_enabled=is_enabled, why=why)
        publish("roster.agent_switched", agent=agent.name)


@transaction.atomic
def drain_agent(name: str, *, by: str, why: str = "") -> None:
    """Let an agent end what it does and take nothing new until it is switched on again. Safe to run twice."""
    agent = find_agent(name)
    if Agent.objects.enabled().filter(pk=agent.pk).update(draining_at=timezone.now()):
        audit(actor=by, verb="roster.drain_agent", subject=agent.name, why=why)
        publish("roster.agent_switched", agent=agent.name)


@transaction.atomic
def quarantine_agent(name: str, *, reason: str, by: str = "system") -> None:
    """Switch an agent off because of what it did, until the owner has looked. Safe to run twice."""
    flag_agent(name, reason=reason)
    switch_agent(name, is_enabled=False, by=by, why=reason)


@transaction.atomic
def flag_agent(name: str, *, reason: str) -> None:
    """Ask for somebody to look at this agent; the first reason stands."""
    agent = find_agent(name)
    if Agent.objects.filter(pk=agent.pk, flagged_at=None).update(
        flagged_at=timezone.now(), flag_reason=reason[:200]
    ):
        audit(actor="system", verb="roster.flag_agent", subject=agent.name, reason=reason)
        publish("roster.agent_flagged", agent=agent.name)
