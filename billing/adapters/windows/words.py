"""What both dialects say in the same words."""

from typing import Final

SLOT_S: Final = 10
"""Seconds of one slot of the ring."""
RING: Final = 30
"""Slots of the ring before the running one: five minutes, and at most ten seconds more. Source: R-02.15."""

PAYER_RANK: Final = (
    "case s.kind when 'product' then 1 when 'dag' then 2 when 'task' then 3 when 'factory' then 4 end"
)
"""Whose cost it is, first match: an entry stands in one scope, so that sums add up."""

ENTRY: Final = "billing_entry (id, scope_id, kind, ref, amount_microusd, is_lost, at, call_id, agent, correlation_id, mode, facts)"
OVERAGE: Final = "billing_overage (id, call_id, scope_id, bound_microusd, excess_microusd, at, facts)"
HOLD: Final = """billing_hold (id, call_id, bound_microusd, state, owner, correlation_id, payer_id, agent, provider, model,
  expires_at, placed_at, windows)"""
HOUR: Final = (
    """billing_costhour (day, hour, scope_id, kind, agent, item, correlation_id, amount_microusd, entries)"""
)
_ADD: Final = "do update set amount_microusd = billing_costhour.amount_microusd + excluded.amount_microusd, entries = billing_costhour.entries + 1"
ADD_TO_STORY: Final = f"""on conflict (day, hour, scope_id, kind, agent, item, correlation_id)
  where correlation_id is not null {_ADD}"""
ADD_WITHOUT_STORY: Final = (
    f"""on conflict (day, hour, scope_id, kind, agent, item) where correlation_id is null {_ADD}"""
)
PACE: Final = """billing_pace (scope_id, slot, amount_microusd)"""
ADD_TO_PACE: Final = """on conflict (scope_id, slot) do update set amount_microusd = billing_pace.amount_microusd + excluded.amount_microusd"""
