"""A build that is half done, rows only: its graph, its attempts, their calls."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from agents.gateway.models import Call, ModelEntry, Provider
from agents.roster.models import Agent
from agents.runtime.models import Session, ToolCall, Turn
from billing.services import capture_hold, lose_hold, place_hold
from core.ids import new_id
from core.registry import Assignment, Outcome, Stop, register_job
from core.services import put_blob
from factory.work.models import Attempt, Dag, DeadLetter, Task
from factory.work.rules import TaskSpec
from factory.work.services import create_graph
from portfolio.models import Product
from tests.builders import an_agent


@register_job("story.check")
def check(assignment: Assignment, stop: Stop) -> Outcome:
    """Never run: the story's tasks are rows."""
    raise NotImplementedError


def the_agent(name: str) -> Agent:
    """Return the agent of this name, hired when it is not there yet."""
    return Agent.objects.filter(name=name).first() or an_agent(name)


def a_build(product: Product) -> Dag:
    """Return a graph that is half done: one task on its second try, one at work, one that waits."""
    for name in ("Scout", "Rex", "Pixel", "Hawk", "Forge"):
        the_agent(name)
    specs = (
        TaskSpec(key="desk", title="Check demand, prices and traffic", kind="story.check", type="research", arguments={"stage": "VALIDATE"}),
        TaskSpec(key="core", title="Write the list of jobs", agent="Rex", type="write", after=("desk",), arguments={"stage": "BUILD"}),
        TaskSpec(key="pages", title="Lay out the pages", agent="Pixel", type="write", after=("desk",), arguments={"stage": "BUILD"}),
        TaskSpec(key="texts", title="Write the help texts, short and long, with one example for each page", agent="Pixel", type="write", after=("desk",), arguments={"stage": "BUILD"}),
        TaskSpec(key="help", title="Publish the help texts", agent="Forge", type="write", after=("texts",), arguments={"stage": "LAUNCH"}),
        TaskSpec(key="test", title="Try to break it", agent="Hawk", type="write", after=("core", "pages"), arguments={"stage": "BUILD"}),
        TaskSpec(key="deploy", title="Bring it to its users", agent="Forge", type="write", after=("test",), arguments={"stage": "LAUNCH"}),
    )  # fmt: skip
    dag = create_graph(
        product=product, title=f"Build {product.name}", tasks=specs, scope=product.scope,
        correlation_id=product.correlation_id, key=f"build:{product.pk}",
    )  # fmt: skip
    done = ("desk", "core", "pages")
    dag.tasks.filter(key__in=done).update(state=Task.State.COMPLETED, open_dependencies=0)
    an_attempt(dag, "desk", n=1)
    an_attempt(
        dag, "core", n=1, state="failed", cost=412_345, error="The import job.due is missing in jobs/views.py"
    )
    an_attempt(dag, "core", n=2, cost=618_002)
    an_attempt(dag, "pages", n=1, cost=250_114)
    running = an_attempt(dag, "test", n=1, state="open", cost=81_450)
    gave_up(dag, "texts")
    a_session(dag.tasks.get(key="core").attempts.get(n=2))
    dag.tasks.filter(key="test").update(
        state=Task.State.RUNNING,
        lease=running.pk,
        leased_until=timezone.now() + timedelta(minutes=2),
        open_dependencies=0,
    )
    Dag.objects.filter(pk=dag.pk).update(state=Dag.State.RUNNING)
    dag.refresh_from_db()
    return dag


def gave_up(dag: Dag, key: str) -> DeadLetter:
    """Return the letter of a task that failed three times."""
    for n in (1, 2, 3):
        an_attempt(dag, key, n=n, state="failed", error=f"The text of page {n} is empty")
    dag.tasks.filter(key=key).update(state=Task.State.DEAD_LETTER, open_dependencies=0, failures=3)
    return DeadLetter.objects.create(
        task=dag.tasks.get(key=key), error_class="validation", error="The text of page 3 is empty"
    )


def a_session(attempt: Attempt) -> Session:
    """Return how an attempt went: it read, wrote, ran the tests and answered."""
    agent = the_agent("Rex")
    session = Session.objects.create(
        assignment_id=attempt.pk, reuse_key=attempt.task_id, agent=agent, agent_version=agent.version,
        prompt=put_blob(b"You are Rex. You write code."), title=attempt.task.title, state="done",
        told_error="The import job.due is missing", ended_at=timezone.now(),
    )  # fmt: skip
    before, after = "def due(job):\n    return 0\n", "def due(job):\n    return job.last + job.every\n"
    told: tuple[tuple[str, tuple[tuple[str, dict[str, Any], str], ...]], ...] = (
        ("I look at what is there first.", (("read_file", {"path": "jobs/due.py"}, before),)),
        ("", (("write_file", {"path": "jobs/due.py", "content": after}, "written"), ("run", {"command": "python manage.py test"}, "exit 1\nFAILED jobs.tests.TestDue: <script>alert(1)</script>"))),
        ('{"summary": "The due time is computed.", "files": ["jobs/due.py"]}', ()),
    )  # fmt: skip
    for number, (text, uses) in enumerate(told, start=1):
        turn = Turn.objects.create(
            session=session, number=number, call_id=new_id(), provider="northlight", model="north-1", tier="mid",
            prompt_tokens=1_200, completion_tokens=300, cost_microusd=104_000, stop="end", text=text,
        )  # fmt: skip
        for tool, arguments, result in uses:
            ToolCall.objects.create(
                turn=turn, tool=tool, arguments=arguments, result=result, outcome="done", is_error=result.startswith("exit 1")
            )  # fmt: skip
    return session


def an_attempt(dag: Dag, key: str, *, n: int, state: str = "done", cost: int = 0, error: str = "") -> Attempt:
    """Return one try at a task that began ten minutes ago and cost this much, as one call."""
    task, now = dag.tasks.get(key=key), timezone.now()
    attempt = Attempt.objects.create(
        task=task, agent=task.agent, n=n, worker="test", state=state, error=error,
        claimed_at=now - timedelta(minutes=10), started_at=now - timedelta(minutes=10),
        ended_at=None if state == "open" else now - timedelta(minutes=3),
    )  # fmt: skip
    if cost:
        a_call(attempt, cost=cost)
    return attempt


def a_call(attempt: Attempt, *, cost: int, is_lost: bool = False) -> Call:
    """Return one settled call of an attempt, with its entry in the product's ledger."""
    provider, _ = Provider.objects.get_or_create(
        name="northlight", protocol="openai", base_url="https://models.example"
    )
    model, _ = ModelEntry.objects.get_or_create(
        provider=provider, name="north-1", tier="mid", window_tokens=128_000, max_output_tokens=8_000
    )
    dag = attempt.task.dag
    call = Call.objects.create(
        agent=attempt.agent.name if attempt.agent else "", assignment_id=attempt.pk, correlation_id=dag.correlation_id,
        model=model, tier="mid", task_type="code", reason="fits", status="lost" if is_lost else "answered",
        bound_microusd=cost, cost_microusd=cost, prompt_tokens=None if is_lost else 12_400,
        completion_tokens=None if is_lost else 1_830, prompt_sha256="0" * 64, mode="rehearsal", ended_at=timezone.now(),
    )  # fmt: skip
    task = attempt.task
    place_hold(
        scopes=[dag.payer_id, task.scope_id],
        bound_microusd=cost,
        call_id=call.pk,
        correlation_id=dag.correlation_id,
    )
    if is_lost:
        lose_hold(call.pk, agent=call.agent)
    else:
        capture_hold(call.pk, cost_microusd=cost, agent=call.agent, correlation_id=dag.correlation_id)
    return call
