"""A factory with rows behind every REST door."""

from collections.abc import Mapping
from datetime import date

from django.utils import timezone

from agents.gateway.models import ModelEntry, Price
from billing.models import MoneyAlert, Overage
from billing.services import clear_switch, set_switch
from core.ids import digest_of, new_id
from core.models import Process
from core.services import issue_device_token, put_blob
from factory.delivery.models import Place
from factory.pipeline.models import Advice, Plan
from factory.pipeline.services import Wish, move_objective, open_hook, receive_objective
from factory.repo.models import Merge
from factory.work.models import Artifact, Attempt, DeadLetter, Effect, Task
from factory.work.rules import TaskSpec
from factory.work.services import admit_node, set_schedule
from tests.builders import a_task
from tests.factory.console.story import Story, a_story


def fill(name: str) -> Mapping[str, str]:
    """Make rows in every table that REST shows; return the key of one row by the first part of its address."""
    story = a_story(name)
    attempt = Attempt.objects.filter(task__dag=story.build, state="done").exclude(agent=None).earliest("pk")
    _made(story, attempt)
    Process.objects.create(name=f"{name}:1:0", kind=Process.Kind.WEB)
    issue_device_token(story.owner, name="phone", by="test")
    letter = _given_up()
    _planned(story, attempt, letter)
    artifact = Artifact.objects.create(
        attempt=attempt, kind="json", name="answer", blob=put_blob(name.encode())
    )
    return {
        "agents": "Rex",
        "approvals": str(story.waiting[0].pk),
        "artifacts": str(artifact.pk),
        "attempts": str(attempt.pk),
        "budget": "Rex",
        "dead-letters": str(letter.pk),
        "graphs": str(story.build.pk),
        "keys": "northlight",
        "opportunities": story.idea.name,
        "products": story.product.slug,
        "tasks": str(story.build.tasks.get(key="deploy").pk),
        "traces": str(story.product.correlation_id),
    }


def _made(story: Story, attempt: Attempt) -> None:
    """What a product leaves where no story goes: a place, a merge, a bill above its bound, a price."""
    port = 8100 + 2 * Place.objects.count()
    Place.objects.create(product=story.product, port=port, preview_port=port + 1)
    Merge.objects.create(attempt=attempt, commit="c" * 40, files=["README.md"])
    Overage.objects.create(
        call_id=new_id(), scope=story.product.scope, bound_microusd=10, excess_microusd=1, at=timezone.now()
    )
    set_switch("agent", "Rex", by="owner:ada", reason="too dear")
    clear_switch("agent", "Rex", by="owner:ada")
    MoneyAlert.objects.create(
        scope=story.product.scope, rule="life", line=80, starts_at=timezone.now(), level="warning", amount_microusd=8,
        limit_microusd=10, at=timezone.now(),
    )  # fmt: skip
    model, _ = ModelEntry.objects.get_or_create(
        provider_id="northlight",
        name=f"north-{story.product.slug}",
        defaults={"tier": "mid", "window_tokens": 128_000, "max_output_tokens": 8_000},
    )
    Price.objects.create(
        model=model, valid_from=date(2026, 1, 1), input_microusd=1, output_microusd=2, cached_microusd=0,
        cache_write_microusd=0,
    )  # fmt: skip


def _given_up() -> DeadLetter:
    task = a_task(agent="Rex", brief="Try.")
    Task.objects.filter(pk=task.pk).update(state=Task.State.DEAD_LETTER)
    return DeadLetter.objects.create(task=task, error_class="permanent", error="It cannot be done.")


def _planned(story: Story, attempt: Attempt, letter: DeadLetter) -> None:
    """What begins by the clock or was wished for, what happens outside, and what Kev thinks of it."""
    name = story.product.slug
    set_schedule(
        name,
        cron="0 9 * * 1",
        tasks=[TaskSpec(key="look", title="Look", agent="Rex", type="write")],
        by="test",
    )
    Effect.objects.create(
        key=digest_of(name),
        task=attempt.task,
        attempt=attempt,
        purpose="tell",
        arguments={},
        title="Tell them",
    )
    open_hook(name, pause_s=60, by="test")
    wish = Wish(text="Watch my nightly jobs", source="owner", key=name, by="test")
    objective = receive_objective(wish)[0]
    move_objective(objective, to="planning", actor="test")
    Plan.objects.create(
        product=story.product,
        objective=objective,
        version=1,
        content={},
        proposed_by="Kev",
        attempt_id=new_id(),
    )
    Advice.objects.create(letter=letter, choice="retry", words="Once more.")
    admit_node(name, by="test")
