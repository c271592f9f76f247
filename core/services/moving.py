"""From the rehearsal to the real factory: the people and what they set come along, nothing else."""

from dataclasses import dataclass
from pathlib import Path

from django.db import DatabaseError, transaction

from core.adapters.homes import rows_of
from core.models import DeviceToken, Installation, SettingValue, User
from core.services.audit import audit


@dataclass(frozen=True)
class Moved:
    """What came along."""

    people: int = 0
    devices: int = 0
    settings: int = 0


def move_in(source: Path) -> Moved:
    """Copy people, their devices and their settings from the rehearsal in the home `source`, once.

    Whoever is simulated stays there. Nothing is copied where people are already. A database of another release
    cannot be read: then nothing comes along, and its people join anew.
    """
    with rows_of(source) as other:
        if other is None or User.objects.exists():
            return Moved()
        try:
            return _copy(other)
        except DatabaseError:
            return Moved()


@transaction.atomic
def _copy(other: str) -> Moved:
    people = list(User.objects.using(other).filter(is_simulated=False))
    devices = list(DeviceToken.objects.using(other).filter(person__in=people, revoked_at=None))
    values = list(SettingValue.objects.using(other).in_force())
    zone = Installation.objects.using(other).values_list("time_zone", flat=True).first()
    for person in people:
        person.looked_at = person.news_from = None
    User.objects.bulk_create(people)
    DeviceToken.objects.bulk_create(devices)
    SettingValue.objects.bulk_create(values)
    Installation.objects.update(time_zone=zone or "UTC")
    moved = Moved(len(people), len(devices), len(values))
    audit(
        actor="system", verb="core.move_in", subject="factory",
        people=moved.people, devices=moved.devices, settings=moved.settings,
    )  # fmt: skip
    return moved
