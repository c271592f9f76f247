"""What the invented past stands on: one clock, one set of dice, staff, models, and who answers."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from django.utils import timezone

from agents.gateway.models import ModelEntry
from agents.gateway.rules.money import Tariff
from agents.gateway.services.catalogue import tariffs_on
from agents.roster.models import Agent
from billing.models import Scope
from billing.services import factory_scope
from core.models import User
from core.services import business_now
from portfolio.models import Product

DAYS = 90
STAFF = ("Kev", "Scout", "Atlas", "Rex", "Pixel", "Hawk", "Forge")


@dataclass
class Ground:
    """Shared by all that invents rows.

    Attributes:
        now: business time.
        drift: machine time minus business time.
    """

    dice: Random
    now: datetime
    drift: timedelta
    owner: User
    factory: Scope
    agents: dict[str, Agent]
    models: dict[str, ModelEntry]
    tariffs: dict[int, Tariff]
    products: list[Product] = field(default_factory=list)
    born: int = 0

    def ago(self, *, days: float = 0, minutes: float = 0) -> datetime:
        """Return business time so long before now."""
        return self.now - timedelta(days=days, minutes=minutes)

    def machine(self, moment: datetime) -> datetime:
        """Return machine time of this business time."""
        return moment + self.drift

    def new_id(self, at: datetime) -> UUID:
        """Return an id that sorts by this moment, the same for the same dice and clock."""
        self.born += 1
        milliseconds = int(at.timestamp() * 1000)
        return UUID(f"{milliseconds:012x}7{self.dice.getrandbits(12):03x}9{self.born:015x}")


def the_ground(seed: int) -> Ground:
    """Return the ground for this number; a person who only rehearses answers on it."""
    now = business_now().astimezone(UTC).replace(microsecond=1)
    owner, _ = User.objects.get_or_create(
        username="ada", defaults={"role": User.Role.OWNER, "is_simulated": True, "is_staff": True}
    )
    return Ground(
        dice=Random(seed),  # noqa: S311 (an invented past, no secret)
        now=now,
        drift=timezone.now() - now,
        owner=owner,
        factory=factory_scope(),
        agents={
            agent.name: agent for agent in Agent.objects.select_related("version", "scope").order_by("name")
        },
        tariffs=tariffs_on(now.date()),
        models={
            entry.name: entry
            for entry in ModelEntry.objects.filter(prices__isnull=False, is_rehearsed=True)
            .distinct()
            .order_by("name")
        },
    )
