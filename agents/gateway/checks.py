"""Can models be called, and do calls and ledger agree?"""

from agents.gateway.models import Call, Provider
from agents.gateway.services.catalogue import offers
from agents.gateway.services.health import last_faults
from agents.gateway.services.keys import uncapped_providers, unreadable_keys
from billing.adapters.limits import table_row
from billing.models import Entry
from core.models import Mode
from core.money import in_words
from core.registry import Finding, register_check
from core.services import business_now, current_mode


@register_check("models")
def models() -> Finding:
    """At least one priced model must be in reach."""
    mode = current_mode()
    found = [offer for offer in offers(mode=mode, day=business_now().date()) if offer.tariff is not None]
    lines = sorted({offer.model.provider_id for offer in found})
    stopped = list(Provider.objects.filter(is_enabled=False).values_list("name", flat=True))
    priced = len(found)
    if not priced:
        return Finding("fail", "No priced model is in reach.", "Set a key, or look at data/prices.yaml.")
    if unread := unreadable_keys():
        return Finding(
            "fail",
            f"A stored key cannot be opened here: {', '.join(unread)}.",
            "Enter it again under First day, or bring back the file box_key it was sealed with.",
        )
    if stopped:
        return Finding("warn", f"Stopped: {', '.join(stopped)}.", "Look at the bill, then start it again.")
    return Finding("fine", f"{priced} priced models in reach at {', '.join(lines)} ({mode}).")


@register_check("provider answers")
def provider_answers() -> Finding:
    """Whom a key pays for must take it: the work waits while nobody does."""
    faults = last_faults()
    refused, waiting = (
        [name for name, fault in faults.items() if fault == kind] for kind in ("refused_us", "rate_limited")
    )
    if refused:
        return Finding(
            "fail",
            f"Our key was refused by {', '.join(refused)}; work on their models waits.",
            "Paste a valid one under First day, or `factory key set MAKER`; without credit there, add some.",
        )
    if waiting:
        return Finding(
            "warn",
            f"Asked to wait by {', '.join(waiting)}; work on their models waits.",
            "A higher limit is set on their own page; until then it goes on by itself.",
        )
    return Finding("fine", "Nobody refused us when last asked.")


@register_check("provider caps")
def provider_caps() -> Finding:
    """Every provider that a key pays for should have a cap of its own: ours does not hold whoever steals the key. Source: R-02.32."""
    if current_mode() != Mode.REAL:
        return Finding("fine", "A rehearsal pays nobody.")
    without = uncapped_providers()
    if without:
        advised = in_words(table_row("provider_side")["month"])
        return Finding(
            "warn",
            f"Without a cap of their own, as far as anybody said: {', '.join(without)}.",
            f"Set one on their own page (start with {advised} a month), then `factory key cap MAKER DOLLARS`.",
        )
    return Finding("fine", "Every provider that a key pays for has a monthly cap of its own.")


@register_check("calls")
def calls() -> Finding:
    """Settled calls and their entries must tell the same sum; entries of calls no longer kept are history."""
    booked = Entry.objects.filter(call_id__in=Call.objects.values("pk")).total_microusd()
    settled = Call.objects.total_microusd()
    if booked != settled:
        return Finding(
            "fail", f"Calls say {settled}, the ledger {booked} millionths of a dollar.", "Stop and look."
        )
    return Finding("fine", "Every call stands in the ledger.")
