"""The graphs of a build: what agents write, and what the platform does between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.gateway.adapters.keyring import reachable
from agents.roster.models import Agent
from core.models import Mode
from core.money import MICROUSD_PER_USD
from core.services import current_mode
from factory.pipeline.rules.answers import REVIEW_NOTES
from factory.pipeline.rules.briefs import code_brief, may_write, mend_brief, review_brief, shown_blueprint
from factory.pipeline.rules.plan import Planned
from factory.pipeline.services.quotes import who_serves
from factory.quality.services import split_criteria
from factory.repo.services import VALIDATOR as MERGE_JUDGE
from factory.repo.services import repository_of
from factory.work.rules import TaskSpec, Workspace
from portfolio.models import Product

VERDICT_JUDGE = "pipeline.verdict"
LAUNCH = "delivery.launch"
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Bench:
    """Where the tasks of one product are made; `python` is the interpreter its code runs on."""

    product: Product
    python: str

    def build(self, plan: Sequence[Planned]) -> list[TaskSpec]:
        """Return the tasks of a plan, with what the platform does between them."""
        return [spec for task in plan for spec in self._planned(task)]

    def mending(self, findings: Sequence[Json], *, n: int, test_key: str) -> list[TaskSpec]:
        """Return round `n` of what a red verdict calls for: mend it, prove it again.

        Who mends is told the findings alone: what Hawk thinks and tries may hold hidden promises. Source: U-24.
        """
        mend = TaskSpec(
            key=f"mend-{n}",
            title="Mend what Hawk found",
            agent="Rex",
            type="code",
            brief=mend_brief(blueprint=self._shown(), findings=findings),
            validator=MERGE_JUDGE,
            after=(test_key,),
            workspace=self._workspace(f"mend-{n}"),
            arguments=self._arguments("BUILD"),
        )
        return [mend, *self.proof(after=(mend.key,), n=n, test_key=f"test-{n}")]

    def proof(self, *, after: tuple[str, ...], n: int, test_key: str) -> list[TaskSpec]:
        """Return package, review and test: what every change goes through before users may meet it."""
        end = "" if n == 1 else f"-{n}"
        arguments = self._arguments("BUILD", round=n)
        package = TaskSpec(
            key=f"package{end}",
            title="Pack what main stands at",
            kind="repo.package",
            agent="Forge",
            type="deploy",
            after=after,
            arguments=arguments,
        )
        review = TaskSpec(
            key=f"review{end}",
            title="Think of cases that the promises miss",
            agent="Hawk",
            type="review",
            brief=review_brief(self.product.blueprint),
            answer_schema=REVIEW_NOTES,
            validator="schema",
            after=(package.key,),
            arguments={**arguments, **self._other_family()},
        )
        test = TaskSpec(
            key=test_key,
            title="Try to break it",
            kind="quality.test",
            agent="Hawk",
            type="test",
            validator=VERDICT_JUDGE,
            after=(package.key, review.key),
            arguments=arguments,
        )
        return [package, review, test]

    def launch(self, *, key: str, title: str, after: tuple[str, ...], agent: str = "Forge") -> TaskSpec:
        """Return the task that asks the owner and brings the tested artifact to its users."""
        arguments = self._arguments("LAUNCH")
        return TaskSpec(
            key=key, title=title, kind=LAUNCH, agent=agent, type="deploy", after=after, arguments=arguments
        )

    def _planned(self, task: Planned) -> list[TaskSpec]:
        if task.part == "scaffold":
            return [self._scaffold(task)]
        if task.type == "test":
            return self.proof(after=task.after, n=1, test_key=task.id)
        if task.type == "deploy":
            return [self.launch(key=task.id, title=task.title, after=task.after, agent=task.agent)]
        return [self._code(task)]

    def _scaffold(self, task: Planned) -> TaskSpec:
        arguments = self._arguments("BUILD", template=self.product.blueprint["stack_template"])
        return TaskSpec(
            key=task.id,
            title=task.title,
            kind="repo.scaffold",
            agent=task.agent,
            type="code",
            after=task.after,
            arguments=arguments,
        )

    def _code(self, task: Planned) -> TaskSpec:
        files = may_write(task.part, app=self.product.blueprint["core_function"]["app"])
        return TaskSpec(
            key=task.id,
            title=task.title,
            agent=task.agent,
            type="code",
            brief=code_brief(task, blueprint=self._shown(), files=files),
            validator=MERGE_JUDGE,
            after=task.after,
            max_cost_microusd=task.max_cost_usd * MICROUSD_PER_USD,
            may_write=files,
            workspace=self._workspace(task.id),
            arguments=self._arguments("BUILD"),
        )

    def _other_family(self) -> dict[str, str]:
        """With one maker only, the review comes from another family of its models, where it has one. Source: U-8."""
        mode = current_mode()
        if mode != Mode.REAL or len(reachable(mode=mode)) != 1:
            return {}
        people = {
            one.name: one for one in Agent.objects.filter(name__in=("Rex", "Hawk")).select_related("version")
        }
        if len(people) < 2 or (author := who_serves(people["Rex"], product=self.product)) is None:
            return {}
        other = who_serves(people["Hawk"], product=self.product, not_model=author.name)
        return {"not_model": author.name} if other else {}

    def _arguments(self, stage: str, **more: Any) -> dict[str, Any]:
        return {"stage": stage, "product_id": str(self.product.pk), "python": self.python, **more}

    def _workspace(self, key: str) -> Workspace:
        repository = repository_of(self.product.pk)
        return Workspace(repository=str(repository.path), base="main", branch=f"agent/{key}")

    def _shown(self) -> dict[str, Any]:
        """The blueprint as builders may see it. Source: U-24."""
        shown, _ = split_criteria(self.product.blueprint)
        return shown_blueprint(self.product.blueprint, shown=shown)
