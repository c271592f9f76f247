"""Keys of providers: the environment's win, then the sealed ones of the database. Nothing else reads a key."""

from django.conf import settings

from agents.gateway.models import Provider
from core.adapters.secret_box import unseal
from core.models import Mode

NO_KEY = ""


def key_of(provider: str) -> str | None:
    """Return the key of `provider`, empty where it asks for none; None: nobody gave one.

    Raises:
        SecretUnreadable: its key was sealed elsewhere.
    """
    if given := settings.MODEL_KEYS.get(provider):
        return str(given)
    row = Provider.objects.filter(name=provider).values_list("needs_key", "stored_key__sealed").first()
    needs_key, sealed = row or (True, None)
    if sealed:
        return unseal(sealed, label=provider)
    return None if needs_key else NO_KEY


def reachable(*, mode: str) -> frozenset[str]:
    """Return the providers that can be called: all in rehearsal, those with a key or without need of one in real."""
    rows = Provider.objects.values_list("name", "needs_key", "stored_key")
    return frozenset(
        name
        for name, needs_key, stored in rows
        if mode == Mode.REHEARSAL or not needs_key or stored or settings.MODEL_KEYS.get(name)
    )
