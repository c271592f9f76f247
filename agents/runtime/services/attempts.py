"""One attempt from its assignment to its outcome."""

import json
import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from agents.gateway.ports import Ask, Intent, Message
from agents.gateway.rules.route import care_of
from agents.roster.errors import AgentSwitchedOff
from agents.roster.services import find_agent, prompt_for
from agents.runtime import rules
from agents.runtime.adapters import workspaces
from agents.runtime.adapters.gateway import Gateway
from agents.runtime.adapters.workspaces import Offer, Workspace
from agents.runtime.models import Session
from agents.runtime.ports import Model
from agents.runtime.services.loop import AgentLoop
from agents.runtime.services.talk import Talk
from agents.runtime.services.toolbox import Toolbox, tools_of
from core.errors import FactoryError
from core.registry import ArtifactDraft, Assignment, Json, Outcome, RepoRef, Stop, ToolContext
from core.services import put_blob, read_blob

logger = logging.getLogger(__name__)


def carry_out(assignment: Assignment, stop: Stop, /, *, model: Model | None = None) -> Outcome:
    """Carry out one assignment and say how it ended; a repeat after a crash pays for no finished step again.

    Args:
        assignment: complete in itself.
        stop: set when the attempt must end.
        model: who answers; the gateway unless a test says otherwise.
    """
    try:
        session = _open_session(assignment)
    except FactoryError as refusal:
        return rules.outcome_of(refusal)
    try:
        outcome = _work(session, assignment, talk=Talk(session, model=model or Gateway(), stop=stop))
    except FactoryError as refusal:
        outcome = rules.outcome_of(refusal)
    _close_session(session, outcome)
    return outcome


def _open_session(assignment: Assignment) -> Session:
    """Begin, or go on where an attempt ended for a reason outside the work: same error told, same tier, same base."""
    agent = find_agent(assignment.agent)
    if not agent.is_enabled:
        raise AgentSwitchedOff(agent=agent.name)
    before = Session.objects.before(reuse_key=assignment.reuse_key, assignment_id=assignment.id)
    kept = before if before and rules.goes_on(state=before.state, failed_as=before.error_class) else None
    version = kept.agent_version if kept else agent.version
    _bury_dead(assignment)
    return Session.objects.create(
        assignment_id=assignment.id,
        reuse_key=assignment.reuse_key,
        agent=agent,
        agent_version=version,
        prompt=put_blob(prompt_for(version).encode(), media_type="text/plain"),
        title=assignment.title[:200],
        continues=kept,
        told_error=kept.told_error if kept else assignment.last_error,
        tier_steps=kept.tier_steps if kept else assignment.tier_steps,
        base_commit=kept.base_commit if kept else _base_of(assignment.workspace),
        correlation_id=assignment.correlation_id,
    )


def _bury_dead(assignment: Assignment) -> None:
    Session.objects.filter(reuse_key=assignment.reuse_key, state=Session.State.RUNNING).update(
        state=Session.State.STOPPED, error="its process died", ended_at=timezone.now()
    )


def stop_orphans(alive: Callable[[], Collection[UUID | None]]) -> int:
    """Close the sessions of attempts that are over though nobody closed them; return how many. Safe to run twice.

    Args:
        alive: says which attempts run; asked after the sessions were read, so that none that begins meanwhile is closed.
    """
    running = dict(Session.objects.filter(state=Session.State.RUNNING).values_list("assignment_id", "pk"))
    orphans = running.keys() - set(alive()) if running else ()
    rows = Session.objects.filter(pk__in=[running[one] for one in orphans], state=Session.State.RUNNING)
    return rows.update(state=Session.State.STOPPED, error="its process died", ended_at=timezone.now())


def _base_of(ref: RepoRef | None) -> str:
    return workspaces.tip_of(ref) if ref else ""


def _home_of(session: Session) -> Path:
    return Path(settings.WORK_DIR, str(session.reuse_key))


def _work(session: Session, assignment: Assignment, *, talk: Talk) -> Outcome:
    ask = _first_ask(session, assignment)
    if assignment.answer_schema is not None:
        answer = talk.fill(replace(ask, answer_schema=assignment.answer_schema))
        return Outcome(kind="done", result=answer, artifacts=(_answer_draft(assignment, answer),))
    if assignment.workspace is None:
        return _write_text(assignment, ask=ask, talk=talk)
    return _write_code(session, assignment, ref=assignment.workspace, ask=ask, talk=talk)


def _first_ask(session: Session, assignment: Assignment) -> Ask:
    brief = rules.opening(
        assignment.brief or assignment.title,
        upstream={**assignment.inputs.get("upstream", {}), **assignment.inputs.get("children", {})},
        told_error=session.told_error,
    )
    return Ask(
        agent=session.agent.name,
        assignment_id=assignment.id,
        scopes=assignment.scopes,
        system=read_blob(session.prompt_id).decode(),
        messages=(Message("user", brief),),
        max_tokens=assignment.limits.max_tokens,
        intent=_intent(session, assignment),
        correlation_id=assignment.correlation_id,
    )


def _intent(session: Session, assignment: Assignment) -> Intent:
    """What is wanted: set by code from the task and the agent's file, never by what a model wrote.

    Arguments may make work sensitive; nothing makes it less so. Source: R-02.28. Work by tools is never sent to the
    batch lane: each of its turns would take up to a day.
    """
    said, definition = assignment.inputs.get("arguments", {}), session.agent_version.definition
    is_structured = assignment.answer_schema is not None
    wish = Intent(
        task_type="reasoning" if is_structured else "coding" if assignment.workspace else "general",
        quality=definition.quality,
        speed="batch" if said.get("speed") == "batch" and assignment.workspace is None else "normal",
        tier_steps=session.tier_steps,
        prefer_provider=definition.preferred_provider,
        not_provider=str(said.get("not_provider", "")),
        not_model=str(said.get("not_model", "")),
    )
    return care_of(assignment.type, said).over(wish)


def _write_text(assignment: Assignment, *, ask: Ask, talk: Talk) -> Outcome:
    """One answer in words: without a workspace there are no tools."""
    text = talk.say_whole(ask).reply.text
    draft = ArtifactDraft(kind="text", name=assignment.title, content=text.encode(), media_type="text/plain")
    return Outcome(kind="done", result={"summary": text}, artifacts=(draft,))


def _answer_draft(assignment: Assignment, answer: Json) -> ArtifactDraft:
    schema = assignment.answer_schema or {}
    content = json.dumps(answer, ensure_ascii=False, indent=1).encode()
    return ArtifactDraft(kind="json", name=str(schema.get("title", assignment.title)), content=content)


def _write_code(session: Session, assignment: Assignment, *, ref: RepoRef, ask: Ask, talk: Talk) -> Outcome:
    """Work by tools in a clone, then offer what was committed; a claim of the agent counts for nothing."""
    workspace, is_fresh = _workspace(session, ref)
    context = ToolContext(assignment=assignment, workspace=workspace.tree, stop=talk.stop)
    loop = AgentLoop(
        replace(ask, tools=tools_of(session)),
        talk=talk,
        toolbox=Toolbox(session, context=context, is_fresh=is_fresh),
        limits=assignment.limits,
    )
    summary = loop.run()
    offer = workspace.offer(title=assignment.title, who=session.agent.name, globs=ref.may_write)
    result = {"summary": summary, "base": offer.base, "commit": offer.commit, "files": list(offer.files)}
    return Outcome(kind="done", result=result, artifacts=_bundle_drafts(offer, branch=ref.branch))


def _workspace(session: Session, ref: RepoRef) -> tuple[Workspace, bool]:
    """Return where to work, and whether it is new; a whole one left by the session that this one continues is kept."""
    home = _home_of(session)
    if session.continues and workspaces.is_whole(home):
        return Workspace(home, session.base_commit), False
    return workspaces.clone(ref, base=session.base_commit, home=home), True


def _bundle_drafts(offer: Offer, *, branch: str) -> tuple[ArtifactDraft, ...]:
    if offer.bundle is None:
        return ()
    facts = {
        "branch": branch,
        "base": offer.base,
        "commit": offer.commit,
        "files": list(offer.files),
        "left_out": list(offer.left_out),
    }
    media_type = "application/x-git-bundle"
    return (
        ArtifactDraft(kind="bundle", name=branch, content=offer.bundle, facts=facts, media_type=media_type),
    )


def _close_session(session: Session, outcome: Outcome) -> None:
    """Write how it ended; a workspace that no later attempt continues is removed."""
    now = timezone.now()
    Session.objects.filter(pk=session.pk).update(
        state=outcome.kind, error=outcome.error, error_class=outcome.error_class, ended_at=now
    )
    facts = {
        "assignment_id": session.assignment_id,
        "state": outcome.kind,
        "error_class": outcome.error_class,
    }
    ms = round((now - session.started_at).total_seconds() * 1_000)
    logger.info("runtime.attempt_ended", extra={**facts, "ms": ms})
    if not rules.goes_on(state=outcome.kind, failed_as=outcome.error_class):
        workspaces.remove(_home_of(session))
