"""Nodes: admitted, given another key, revoked; and what one may do with its key: fetch, beat, finish."""

import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from billing.services import factory_scope
from core.adapters import wake
from core.errors import BadArguments, NotFound
from core.ids import new_id
from core.models import Process
from core.registry import Assignment, Outcome, TaskSpec
from core.services import audit, machine_now, mark_seen
from factory.work import rules
from factory.work.errors import LeaseLost, NodeRefused
from factory.work.models import Attempt, Node, Task
from factory.work.services.attempts import finish_attempt, heartbeat, may_go_on, start_attempt
from factory.work.services.claims import claim_task
from factory.work.services.graphs import create_graph

PREFIX = "fn_"


@transaction.atomic
def admit_node(name: str, *, by: str) -> tuple[Node, str]:
    """Return a new node and its key, which is told this once and opens only `gpu` tasks. Source: R-13.32.

    Raises:
        BadArguments: no name, or another node bears it.
    """
    key, named = _new_key(), name.strip()[:40]
    try:
        with transaction.atomic():
            node = Node.objects.create(name=named, admitted_by=by[:80], **_columns_of(key))
    except IntegrityError:
        raise BadArguments(at="name", expected="a name that no other node bears") from None
    audit(actor=by, verb="work.admit_node", subject=node.name, node_id=str(node.pk))
    return node, key


@transaction.atomic
def rotate_node_key(name: str, *, by: str) -> str:
    """Return a new key of this node; the old one opens nothing from now on. A revoked node is admitted again by it.

    Raises:
        NotFound: no node of this name.
    """
    key = _new_key()
    if not Node.objects.filter(name=name).update(revoked_at=None, **_columns_of(key)):
        raise NotFound(node=name)
    audit(actor=by, verb="work.rotate_node_key", subject=name)
    return key


@transaction.atomic
def revoke_node(name: str, *, by: str) -> None:
    """Let the node's key open nothing from its next call on. Safe to run twice.

    Raises:
        NotFound: no node of this name.
    """
    if not Node.objects.filter(name=name).exists():
        raise NotFound(node=name)
    if Node.objects.filter(name=name, revoked_at=None).update(revoked_at=machine_now()):
        audit(actor=by, verb="work.revoke_node", subject=name)


def node_of(key: str) -> Node:
    """Return the node whose key this is.

    Raises:
        NodeRefused: nobody's, revoked, or too old.
    """
    node = Node.objects.admitted(machine_now()).filter(key_sha256=_fingerprint(key)).first()
    if node is None:
        raise NodeRefused
    return node


def hear_node(node: Node, *, facts: dict[str, Any] | None = None) -> None:
    """Note that the node is there, and what it says of itself; who comes back is told of what waits."""
    now = machine_now()
    was_there = Node.objects.there(now).filter(pk=node.pk).exists()
    Node.objects.filter(pk=node.pk).update(seen_at=now, **({} if facts is None else {"facts": facts}))
    if facts is not None:
        mark_seen(node.worker, kind=Process.Kind.NODE, queues=rules.NODE_QUEUES)
    if not was_there:
        call_nodes()


def fetch_for_node(node: Node) -> Assignment | None:
    """Give the node the first `gpu` task that is admitted, begun; None when nothing fits. Source: R-13.2."""
    hear_node(node)
    assignment = claim_task(worker=node.worker, queues=rules.NODE_QUEUES)
    if assignment is not None:
        start_attempt(assignment.id)
        call_nodes()
    return assignment


def beat_for_node(node: Node, *, attempt_id: UUID | None, facts: dict[str, Any]) -> bool:
    """Note that the node lives, keep the lease of what it does; say whether it may go on with that."""
    hear_node(node, facts=facts)
    if attempt_id is None:
        return True
    try:
        _check_own(node, attempt_id)
        heartbeat(attempt_id)
    except LeaseLost:
        return False
    return may_go_on(attempt_id)


def finish_for_node(node: Node, *, attempt_id: UUID, outcome: Outcome) -> None:
    """Take what the node brings for an attempt that is still its own, and call for more hands when more waits.

    Raises:
        LeaseLost: the attempt was never this node's, or it no longer holds its task; nothing was stored.
        OutcomeRefused: an attempt may not end like this; nothing was stored.
    """
    hear_node(node)
    _check_own(node, attempt_id)
    finish_attempt(attempt_id, outcome)
    call_nodes()


def _check_own(node: Node, attempt_id: UUID) -> None:
    if not Attempt.objects.filter(pk=attempt_id, worker=node.worker).exists():
        raise LeaseLost(attempt=attempt_id)


def call_nodes() -> bool:
    """Ring for the nodes that are there when `gpu` tasks wait; say whether it rang. A ring may be lost or come twice."""
    waits = Task.objects.claimable().filter(queue__in=rules.NODE_QUEUES).exists()
    if not waits or not Node.objects.there(machine_now()).exists():
        return False
    transaction.on_commit(lambda: wake.ring(*rules.NODE_QUEUES))
    return True


def queue_node_test(*, by: str, seconds: float = 1) -> Task:
    """Queue a job of some seconds for whichever node is there; its result says what the node is and how fast it counts."""
    spec = TaskSpec(key="test", title="Test of a node", kind="node.test", arguments={"seconds": seconds})
    dag = create_graph(
        product=None, title="Test of a node", tasks=[spec], scope=factory_scope(), correlation_id=new_id(), key=f"node-test:{new_id()}"
    )  # fmt: skip
    audit(actor=by, verb="work.queue_node_test", subject=str(dag.pk))
    return dag.tasks.get()


def _new_key() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def _columns_of(key: str) -> dict[str, Any]:
    now = machine_now()
    ends = now + timedelta(days=rules.NODE_KEY_DAYS)
    return {"key_sha256": _fingerprint(key), "admitted_at": now, "expires_at": ends}


def _fingerprint(key: str) -> str:
    return sha256(key.encode()).hexdigest()
