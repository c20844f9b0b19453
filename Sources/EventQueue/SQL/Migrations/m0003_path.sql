-- The path of an event: enqueue, claim, answer, results; and off the path: held, release, abandon.

-- Inserts a batch. Enqueueing an event again is harmless, whatever has become of it in the meantime.
-- time_left is in milliseconds: the deadline is reckoned on the database's clock alone.
create function rejoinder.enqueue(
    ingress integer, ids uuid[], endpoints text[], nodes text[], time_left integer[], payloads json[]
) returns void
language plpgsql
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    started constant timestamptz := clock_timestamp();
begin
    perform set_config('synchronous_commit', 'off', true);
    insert into rejoinder.node (name)
    select n
      from unnest(nodes) as n
     where not exists (select from rejoinder.node as known where known.name = n)
        on conflict do nothing;
    insert into rejoinder.event (id, ingress, endpoint, node, enqueued_at, deadline, payload)
    select u.id, enqueue.ingress, u.endpoint, u.node, started, started + u.time_left * interval '1 millisecond', u.payload
      from unnest(ids, endpoints, nodes, time_left, payloads) as u (id, endpoint, node, time_left, payload)
        on conflict do nothing;
end $$;

-- Takes up to "max" queued events of these nodes (null: of any, but for "excluding"), oldest first, each for one claimer
-- only. It skips what has less time left than its node usually takes; recover() then marks that expired.
--
-- "after" is the low-water mark, a place below which the caller knows nothing to be queued: it bounds the scan, so that
-- an old snapshot, which keeps the index entries of everything claimed since, doesn't slow the queue.
-- Rides on event_queued: one ordered range per node, each stopped after "max".
create function rejoinder.claim(
    worker integer, nodes text[], max integer, after bigint default 0, excluding text[] default null,
    max_attempts integer default 3, at_most_once boolean default false
) returns table (
    id uuid, place bigint, attempt smallint, time_left integer, ingress integer, endpoint text, node text, payload json
)
language plpgsql
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    started constant timestamptz := clock_timestamp();
    ids uuid[];
begin
    -- A crash of the database must not forget the start of an event that may be started once only.
    if at_most_once then
        perform rejoinder.commit_durably(true);
    else
        perform set_config('synchronous_commit', 'off', true);
    end if;
    ids := array(
        select queued.id
          from unnest(rejoinder.nodes_served(nodes, excluding)) as served (node)
          left join rejoinder.node as known on known.name = served.node
         cross join lateral (
            select e.id, e.place
              from rejoinder.event as e
             where e.state = 'queued'
               and e.node = served.node
               and e.place >= claim.after
               and e.deadline > started + coalesce(known.takes, '0')
             order by e.place
             limit claim.max
               for update skip locked
         ) as queued
         order by queued.place
         limit claim.max
    );
    if ids = '{}' then
        return;
    end if;
    return query
    update rejoinder.event as e
       set state = 'running',
           worker = claim.worker,
           attempt = e.attempt + 1,
           max_attempts = claim.max_attempts,
           at_most_once = claim.at_most_once,
           claimed_at = started
      from unnest(ids) as candidate (id)
     where e.id = candidate.id
    returning
        e.id, e.place, e.attempt, (extract(epoch from e.deadline - started) * 1000)::integer,
        e.ingress, e.endpoint, e.node, e.payload;
end $$;

-- Stores a batch of outcomes: 'answered' with its answer, 'failed' (no further attempt), 'retry' (queued again while
-- attempts and time are left, else failed) or 'expired'. It accepts those whose claim is still the current one, and
-- returns them with the state that they have now. Durable; the worker then calls settle() on a transaction of its own, and
-- wake() for what was queued again.
create function rejoinder.answer(
    worker integer, ids uuid[], places bigint[], outcomes text[], answers json[], codes text[], errors text[]
) returns table (id uuid, state rejoinder.state)
language plpgsql
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    finished constant timestamptz := clock_timestamp();
begin
    perform rejoinder.commit_durably(true);
    if 'retry' = any (outcomes) then
        return query
        update rejoinder.event as e
           set state = 'queued',
               place = nextval('rejoinder.place'),
               worker = null,
               code = outcome.code,
               error = outcome.error
          from unnest(ids, places, outcomes, codes, errors) as outcome (id, place, outcome, code, error)
         where outcome.outcome = 'retry'
           and e.id = outcome.id
               and e.place = outcome.place
           and e.worker = answer.worker
           and e.state = 'running'
           and e.attempt < e.max_attempts
           and e.deadline > finished
        returning e.id, e.state;
    end if;
    return query
    update rejoinder.event as e
       set state = case outcome.outcome when 'retry' then 'failed' else outcome.outcome end::rejoinder.state,
           finished_at = finished,
           answer = outcome.answer,
           code = outcome.code,
           error = outcome.error
      from unnest(ids, places, outcomes, answers, codes, errors)
               as outcome (id, place, outcome, answer, code, error)
     where e.id = outcome.id
       and e.place = outcome.place
       and e.worker = answer.worker
       and e.state = 'running'
    returning e.id, e.state;
end $$;

-- What has become of these events, as far as they have come to an end: what an ingress replies with.
-- The bounds of the batch make the executor open only the partitions concerned; "limit 1" keeps the planner from reading
-- all that lies between the bounds.
create function rejoinder.results(ids uuid[])
returns table (id uuid, state rejoinder.state, attempt smallint, code text, answer json)
language plpgsql stable
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    sorted constant uuid[] := array(select u from unnest(ids) as u order by u);
    first constant uuid := sorted[1];
    last constant uuid := sorted[cardinality(sorted)];
begin
    return query
    select wanted.id, e.state, e.attempt, e.code, e.answer
      from unnest(sorted) as wanted (id)
     cross join lateral (
        select event.state, event.attempt, event.code, event.answer
          from rejoinder.event
         where event.id = wanted.id and event.id between first and last
         limit 1
     ) as e
     where e.state not in ('queued', 'running');
end $$;

-- What a worker runs, as the database sees it: after a lost connection it gives back what it knows nothing of.
create function rejoinder.held(worker integer) returns table (id uuid, place bigint)
language plpgsql stable
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
    return query
    select e.id, e.place
      from rejoinder.event as e
     where e.state = 'running' and e.worker = held.worker;
end $$;

-- Gives claimed events back untouched, the attempt refunded: a worker drains.
create function rejoinder.release(worker integer, ids uuid[], places bigint[]) returns integer
language plpgsql
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    released text[];
begin
    perform rejoinder.commit_durably(false);
    with given_back as (
        update rejoinder.event as e
           set state = 'queued',
               place = nextval('rejoinder.place'),
               worker = null,
               claimed_at = null,
               attempt = e.attempt - 1
          from unnest(ids, places) as claimed (id, place)
         where e.id = claimed.id
           and e.place = claimed.place
           and e.worker = release.worker
           and e.state = 'running'
        returning e.node
    )
    select coalesce(array_agg(node), '{}') into released from given_back;
    perform rejoinder.wake(released);
    return cardinality(released);
end $$;

-- Ends events that nobody waits for any more ('cancelled': the caller has gone; 'expired': its deadline passed). A worker
-- that runs one of them is told, so that it can cancel the handler.
create function rejoinder.abandon(ids uuid[], states rejoinder.state[], codes text[]) returns table (id uuid)
language plpgsql
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    ended record;
begin
    perform rejoinder.commit_durably(false);
    for ended in
        update rejoinder.event as e
           set state = abandoned.state,
               finished_at = clock_timestamp(),
               code = abandoned.code
          from unnest(ids, states, codes) as abandoned (id, state, code)
         where e.id = abandoned.id and e.state in ('queued', 'running')
        returning e.id, e.worker
    loop
        id := ended.id;
        if ended.worker is not null then
            perform pg_notify(rejoinder.channel(ended.worker), 'cancel ' || ended.id);
        end if;
        return next;
    end loop;
end $$;
