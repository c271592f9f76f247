"""Keys of providers: set, replaced, forgotten; never told again."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from agents.gateway.adapters.keyring import reachable
from agents.gateway.errors import KeyFromEnvironment, KeyUnusable
from agents.gateway.models import Provider, ProviderKey
from core.adapters.secret_box import seal, unseal
from core.errors import BadArguments, NotFound, SecretUnreadable
from core.services import audit, current_mode, publish

LONG_ENOUGH_TO_HINT = 20
"""Of a shorter key not even its end is shown."""


@dataclass(frozen=True)
class KeyShown:
    """What may be said about the key of one provider.

    Attributes:
        source: `environment`, `stored`, `none needed` or `missing`.
        last_four: empty: nothing is shown of it.
        own_cap_microusd: what the provider itself allows in a month; None: nobody said.
    """

    provider: str
    source: str
    last_four: str = ""
    set_by: str = ""
    set_at: datetime | None = None
    own_cap_microusd: int | None = None


def keys_shown() -> list[KeyShown]:
    """Return what may be said about every provider's key."""
    return [_shown(one) for one in Provider.objects.select_related("stored_key").order_by("name")]


def key_shown(provider: str) -> KeyShown:
    """Return what may be said about the key of one provider.

    Raises:
        NotFound: no such provider.
    """
    one = Provider.objects.select_related("stored_key").filter(name=provider).first()
    if one is None:
        raise NotFound(provider=provider)
    return _shown(one)


def _shown(provider: Provider) -> KeyShown:
    cap = provider.own_cap_microusd
    if given := settings.MODEL_KEYS.get(provider.name):
        return KeyShown(provider.name, "environment", _hint(given), own_cap_microusd=cap)
    row = getattr(provider, "stored_key", None)
    if row is not None:
        return KeyShown(provider.name, "stored", row.last_four, row.set_by, row.set_at, cap)
    source = "missing" if provider.needs_key else "none needed"
    return KeyShown(provider.name, source, own_cap_microusd=cap)


@transaction.atomic
def set_key(provider: str, key: str, *, by: str) -> KeyShown:
    """Seal `key` into the database in place of an earlier one; from now on it is used.

    Raises:
        NotFound: no such provider.
        KeyUnusable: it cannot be a key.
        KeyFromEnvironment: the environment's key wins, so a stored one would never be used.
    """
    one = Provider.objects.filter(name=provider).first()
    if one is None:
        raise NotFound(provider=provider)
    key = read_key(key)
    if settings.MODEL_KEYS.get(provider):
        raise KeyFromEnvironment(provider=provider)
    told = {"sealed": seal(key, label=provider), "last_four": _hint(key), "set_by": by[:80]}
    _, is_new = ProviderKey.objects.update_or_create(provider=one, defaults=told)
    audit(actor=by, verb="gateway.set_key", subject=provider, replaced=not is_new)
    publish("gateway.key_changed", provider=provider)
    return key_shown(provider)


@transaction.atomic
def forget_key(provider: str, *, by: str) -> None:
    """Remove the stored key of `provider`; nothing calls it from now on. Safe to run twice.

    Raises:
        KeyFromEnvironment: it is not ours to forget.
    """
    if settings.MODEL_KEYS.get(provider):
        raise KeyFromEnvironment(provider=provider)
    gone, _ = ProviderKey.objects.filter(provider=provider).delete()
    if gone:
        audit(actor=by, verb="gateway.forget_key", subject=provider)
        publish("gateway.key_changed", provider=provider)


@transaction.atomic
def note_own_cap(provider: str, cap_microusd: int | None, *, by: str) -> None:
    """Write down what `provider` itself lets this key spend in a month; None: no such cap is known. Source: R-02.32.

    Raises:
        NotFound: no such provider.
        BadArguments: less than one micro-dollar.
    """
    if cap_microusd is not None and cap_microusd < 1:
        raise BadArguments(cap_microusd=cap_microusd)
    if not Provider.objects.filter(name=provider).update(own_cap_microusd=cap_microusd):
        raise NotFound(provider=provider)
    audit(actor=by, verb="gateway.note_own_cap", subject=provider, cap_microusd=cap_microusd)


def uncapped_providers() -> list[str]:
    """Return the providers that a key pays for and of which nobody said that they have a cap of their own."""
    paid = Provider.objects.filter(needs_key=True, is_enabled=True, own_cap_microusd=None)
    in_reach = reachable(mode=current_mode())
    return sorted(one.name for one in paid if one.name in in_reach)


def unreadable_keys() -> list[str]:
    """Return the providers whose stored key cannot be opened here: it was sealed with another box key."""
    rows = ProviderKey.objects.order_by("provider").values_list("provider", "sealed")
    return [name for name, sealed in rows if not settings.MODEL_KEYS.get(name) and not _opens(sealed, name)]


def _opens(sealed: str, name: str) -> bool:
    try:
        unseal(sealed, label=name)
    except SecretUnreadable:
        return False
    return True


def read_key(text: str) -> str:
    """Return `text` as a key.

    Raises:
        KeyUnusable: it is empty, far too long, or has spaces or signs no key has; the text is not repeated.
    """
    key = text.strip()
    if not 4 <= len(key) <= 400 or not key.isascii() or not key.isprintable() or " " in key:
        raise KeyUnusable
    return key


def _hint(key: str) -> str:
    return key[-4:] if len(key) >= LONG_ENOUGH_TO_HINT else ""
