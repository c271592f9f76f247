"""PostgreSQL holds and settles by two functions: the steps that SQLite takes one by one, on one way to the server and back."""

from django.db import migrations

PLACE = """
create function billing_place(
  call uuid, scopes uuid[], bound bigint, owned_by text, story uuid, moment timestamptz, expiry timestamptz,
  provider_name text, model_name text, tier_name text, is_relaxed boolean
) returns text language plpgsql as $$
declare
  start timestamptz;
  is_stopped boolean;
  known int;
  payers uuid[];
  here record;
  taken int;
begin
  perform pg_advisory_xact_lock(%(lock)s);
  if is_relaxed then perform set_config('synchronous_commit', 'off', true); end if;
  if exists (select from billing_hold h where h.call_id = call) then return 'repeated'; end if;

  select moment + coalesce(max(i.clock_offset_ms), 0) * interval '1 ms', coalesce(bool_or(i.stopped_at is not null), false)
    into start, is_stopped from core_installation i;
  select count(*), array_agg(s.id) || array_agg(s.parent_id) into known, payers from billing_scope s where s.id = any(scopes);
  if known < cardinality(scopes) then return 'unknown'; end if;

  select
      bool_or(l.period = 'call' and l.cap_microusd < bound) as is_above_call,
      bool_or(s.kind = 'factory' and s.ref = 'factory') as has_factory,
      bool_or(s.kind = 'tier') as has_tier,
      bool_or(l.period <> 'call' and w.id is null) as is_unopened,
      bool_or(s.kind = 'factory' and l.period = 'day') as has_day,
      bool_or(w.cap_microusd - w.spent_microusd - w.held_microusd < bound) as is_short,
      (array_agg(s.id order by %(rank)s) filter (where w.id is not null))[1] as payer_id,
      coalesce(max(s.ref) filter (where s.kind = 'agent'), '') as agent,
      array_agg(w.id) filter (where w.id is not null) as windows,
      array_agg(s.id) as payers,
      array_agg(s.ref) filter (where w.held_microusd > 0 and s.kind in ('factory', 'agent')) as busy
    into here
    from billing_scope s
    left join billing_limit l on l.scope_id = s.id
    left join billing_window w on w.scope_id = l.scope_id and w.period = l.period and w.starts_at = case l.period
      when 'day' then date_trunc('day', start, 'UTC') when 'month' then date_trunc('month', start, 'UTC') else 'epoch' end
    where s.id = any(payers) or (s.kind = 'factory' and s.ref = 'factory') or (s.kind = 'tier' and s.ref = tier_name);

  if is_stopped or exists (
    select from billing_switch x where x.cleared_at is null and (x.until is null or x.until > moment) and (
      (x.kind, x.ref) in (('provider', provider_name), ('model', provider_name || '/' || model_name))
      or exists (select from billing_scope s where s.id = any(here.payers) and s.kind = x.kind and s.ref = x.ref))
  ) then return 'shut'; end if;
  if here.is_above_call then return 'above_call'; end if;
  if here.has_factory is not true or (tier_name <> '' and here.has_tier is not true) or here.is_unopened then return 'unopened'; end if;
  if here.has_day is not true then return 'unreadable'; end if;
  if exists (
    select from billing_switch x where x.cleared_at is null and (x.until is null or x.until > moment)
      and x.kind = 'throttle' and x.ref = any(here.busy)
  ) then return 'narrow'; end if;
  if here.is_short then return 'short'; end if;

  update billing_window w set held_microusd = w.held_microusd + bound
    where w.id = any(here.windows) and w.cap_microusd >= w.spent_microusd + w.held_microusd + bound;
  get diagnostics taken = row_count;
  if taken <> cardinality(here.windows) then
    raise exception 'somebody moved money without the lock' using errcode = 'integrity_constraint_violation';
  end if;
  insert into billing_hold (call_id, bound_microusd, state, owner, correlation_id, payer_id, agent, provider, model,
    expires_at, placed_at, windows)
  values (call, bound, 'held', owned_by, story, here.payer_id, here.agent, provider_name, model_name,
    expiry, moment, to_jsonb(here.windows));
  return 'held';
end $$
"""

SETTLE = """
create function billing_settle(
  call uuid, end_state text, moment timestamptz, entry uuid, asked_microusd bigint, spender text, asked_story uuid,
  entry_facts jsonb, asked_item text, slot_now bigint, ring int, is_relaxed boolean, is_within boolean
) returns table (bound bigint, cost bigint, paces json) language plpgsql as $$
declare
  held record;
  windows uuid[];
  payer uuid;
  who text;
  story uuid;
  booked_at timestamptz;
  lived text;
begin
  perform pg_advisory_xact_lock(%(lock)s);
  if is_relaxed then perform set_config('synchronous_commit', 'off', true); end if;

  update billing_hold h set state = end_state, settled_at = moment
    where h.call_id = call and h.state = 'held' and not (is_within and coalesce(asked_microusd, 0) > h.bound_microusd)
    returning h.bound_microusd, h.agent, h.correlation_id, h.payer_id, h.windows into held;
  if not found then return; end if;
  windows := array(select one::uuid from jsonb_array_elements_text(held.windows) as one);
  bound := held.bound_microusd;
  cost := case when end_state = 'released' then 0 else least(coalesce(asked_microusd, bound), bound) end;
  update billing_window w set held_microusd = w.held_microusd - bound, spent_microusd = w.spent_microusd + cost where w.id = any(windows);

  if end_state <> 'released' then
    select moment + coalesce(max(i.clock_offset_ms), 0) * interval '1 ms', coalesce(max(i.mode), 'rehearsal')
      into booked_at, lived from core_installation i;
    who := coalesce(nullif(spender, ''), held.agent);
    story := coalesce(asked_story, held.correlation_id);
    payer := coalesce(held.payer_id, (
      select s.id from billing_window w join billing_scope s on s.id = w.scope_id where w.id = any(windows) order by %(rank)s limit 1));
    insert into billing_entry (id, scope_id, kind, ref, amount_microusd, is_lost, at, call_id, agent, correlation_id, mode, facts)
    values (entry, payer, 'model_call', 'call:' || call, cost, asked_microusd is null, booked_at, call, who, story, lived, entry_facts);
    if story is null then
      insert into billing_costhour as c (day, hour, scope_id, kind, agent, item, amount_microusd, entries)
      values ((booked_at at time zone 'UTC')::date, extract(hour from booked_at at time zone 'UTC'), payer, 'model_call', who, asked_item, cost, 1)
      on conflict (day, hour, scope_id, kind, agent, item) where correlation_id is null
      do update set amount_microusd = c.amount_microusd + excluded.amount_microusd, entries = c.entries + 1;
    else
      insert into billing_costhour as c (day, hour, scope_id, kind, agent, item, correlation_id, amount_microusd, entries)
      values ((booked_at at time zone 'UTC')::date, extract(hour from booked_at at time zone 'UTC'), payer, 'model_call', who, asked_item, story, cost, 1)
      on conflict (day, hour, scope_id, kind, agent, item, correlation_id) where correlation_id is not null
      do update set amount_microusd = c.amount_microusd + excluded.amount_microusd, entries = c.entries + 1;
    end if;
    if asked_microusd > bound then
      insert into billing_overage (id, call_id, scope_id, bound_microusd, excess_microusd, at, facts)
      values (entry, call, payer, bound, asked_microusd - bound, booked_at, entry_facts);
    end if;
  end if;

  if cost > 0 then
    with spenders as materialized (
      select distinct s.id, s.kind, s.ref from billing_window w join billing_scope s on s.id = w.scope_id
      where w.id = any(windows) and s.kind in ('agent', 'factory')
    ), paced as (
      insert into billing_pace as p (scope_id, slot, amount_microusd) select s.id, slot_now, cost from spenders s
      on conflict (scope_id, slot) do update set amount_microusd = p.amount_microusd + excluded.amount_microusd
      returning p.scope_id, p.amount_microusd
    )
    select json_agg(json_build_array(s.kind, s.ref, p.amount_microusd + coalesce((
        select sum(o.amount_microusd) from billing_pace o
        where o.scope_id = s.id and o.slot >= slot_now - ring and o.slot < slot_now), 0)))
      into paces from paced p join spenders s on s.id = p.scope_id;
  end if;
  return next;
end $$
"""
WORDS = {
    "lock": int.from_bytes(b"money"),
    "rank": "case s.kind when 'product' then 1 when 'dag' then 2 when 'task' then 3 when 'factory' then 4 else 9 end",
}


def make(apps, schema_editor):
    """Make both functions; what runs meanwhile on the code before goes on with its own statements, under the same lock."""
    if schema_editor.connection.vendor == "postgresql":
        for text in (PLACE, SETTLE):
            schema_editor.execute(text % WORDS, params=None)


def unmake(apps, schema_editor):
    """Take them away."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("drop function billing_place")
        schema_editor.execute("drop function billing_settle")


class Migration(migrations.Migration):
    dependencies = [("billing", "0013_hold_of_its_call")]

    operations = [migrations.RunPython(make, unmake)]
