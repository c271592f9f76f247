"""What people do here, counted; facts hold no personal data."""

from typing import Any

from house.models import Event


def record(name: str, owner: Any = None, **facts: Any) -> None:
    """Note that `name` has happened; the first `use` of an owner is noted as `first_use` too."""
    if name == "use" and owner is not None:
        Event.objects.bulk_create([Event(name="first_use", owner=owner)], ignore_conflicts=True)
    Event.objects.create(name=name, owner=owner, facts=facts)
