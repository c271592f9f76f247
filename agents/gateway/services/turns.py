"""Whose turn it is in one call: after what failed, and past what is spent or switched off. Source: R-02.10."""

from collections.abc import Sequence

from agents.gateway.errors import ProviderFault
from agents.gateway.models import ModelEntry
from agents.gateway.rules.retry import Failure, Step, next_step
from billing.errors import SwitchSet, TierSpent
from core.errors import FactoryError


class Turns:
    """The models that may serve one call, in order, and what became of those that were asked.

    Places never change: who is passed over keeps his, and what failed before still means the same model.

    Attributes:
        faults: how attempts failed, one after the other.
        refusal: why the last that was passed over may not be asked; None: nobody was.
    """

    def __init__(self, models: Sequence[ModelEntry]) -> None:
        self._models, self._gone = models, set[int]()
        self._failures: list[Failure] = []
        self.faults: list[ProviderFault] = []
        self.refusal: FactoryError | None = None

    def next(self) -> Step | None:
        """Return whom to try now, the same until something became of it; None: give up."""
        providers = [model.provider_id for model in self._models]
        return next_step(self._failures, providers=providers, gone=self._gone)

    def fail(self, place: int, fault: ProviderFault) -> None:
        """This one was asked, and failed."""
        self.faults.append(fault)
        self._failures.append(Failure(place, fault.kind, fault.retry_after_s))

    def leave_out(self, place: int, fault: ProviderFault) -> None:
        """This one is not even reached from here: nothing left, and nobody tries it again."""
        self.faults.append(fault)
        self._gone.add(place)

    def skip(self, place: int, why: FactoryError | None = None) -> None:
        """This one cannot be asked."""
        self._gone.add(place)
        self.refusal = why or self.refusal

    def refuse(self, place: int, refusal: TierSpent | SwitchSet) -> None:
        """Pass over all whom this is about: a tier whose day is spent, a provider or model that is switched off.

        Raises:
            SwitchSet: it is about more than who is called.
        """
        one, kind = self._models[place], refusal.facts.get("kind")
        if isinstance(refusal, TierSpent):
            gone = [n for n, other in enumerate(self._models) if other.tier == one.tier]
        elif kind == "provider":
            gone = [n for n, other in enumerate(self._models) if other.provider_id == one.provider_id]
        elif kind == "model":
            gone = [place]
        else:
            raise refusal
        self._gone.update(gone)
        self.refusal = refusal
