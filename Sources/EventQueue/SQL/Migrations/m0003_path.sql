-- The path of an event: enqueue, claim, answer, results; and off the path: revive, held, release, abandon, replied.
--
-- What runs for each trip is written to start the executor seldom, and to keep little:
-- * A function's result is assigned ("nothing := ...") where one would perform it: a simple expression takes no executor.
-- * Where many arrays are unnested, that is done in a select list, which hands on a row at a time: in the from clause each array
--   is first copied to a store of its own, 16 KiB that come and go.
-- * store() hands on arrays, not rows.
-- All of it took the outcomes of six events from 217 to 162 us.

-- How a worker is told of an event that has been claimed for it: 'grant', then lane, id, place, milliseconds left and the
-- lengths in bytes of endpoint, node and trace, each after a space; and after a colon these three and the payload.
create function rejoinder.grant_of(
    lane integer, id uuid, place bigint, time_left interval, endpoint text, node text, trace text, payload json
) returns text
language sql stable parallel safe as $$ -- as the cast of json is: were it immutable it would not be inlined
select 'grant ' || lane::text || ' ' || id::text || ' ' || place::text
    || ' ' || (extract(epoch from time_left) * 1000)::integer::text
    || ' ' || octet_length(endpoint)::text || ' ' || octet_length(node)::text || ' ' || coalesce(octet_length(trace), 0)::text
    || ':' || endpoint || node || coalesce(trace, '') || payload::text
$$;

-- Notifies a lane's worker of the events that this transaction has claimed for it.
create function rejoinder.grant_to(lane rejoinder.lane, ids uuid[], payloads json[], traces text[]) returns integer
language plpgsql
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    channel constant text := rejoinder.channel(lane.process);
begin
    return count(
               pg_notify(
                   channel,
                   rejoinder.grant_of(lane.id, l.id, l.place, l.deadline - l.enqueued_at, l.endpoint, l.node, u.trace, u.payload)
               )
           )
      from (select unnest(ids) as id, unnest(payloads) as payload, unnest(traces) as trace) as u
      join rejoinder.live as l on l.id = any (array[u.id])
       -- An event that is enqueued again may be this worker's already.
     where l.worker = lane.process and l.xmin = pg_current_xact_id()::xid;
end $$;

-- What waits is found by its node, so that one must be there; one that is about to go, since it was not called for long, stays.
create function rejoinder.make_known(nodes text[]) returns void
language plpgsql as $$
begin
    -- In one order, else two ingresses could lock each other out; and only those that are not known, since "do update" locks
    -- what it then leaves as it is.
    insert into rejoinder.node as known (name)
    select distinct n
      from unnest(nodes) as n
     where not exists (select from rejoinder.node as k where k.name = n and k.retired_at is null)
     order by n
        on conflict (name) do update set retired_at = null, last_seen_at = clock_timestamp() where known.retired_at is not null;
end $$;

-- Inserts a batch. Enqueueing an event again is harmless, whatever has become of it in the meantime. With a lane, which
-- idle_lane() has found, it claims the events for that at once, and hands them to its worker with a notification each.
-- time_left is in milliseconds: the deadline is reckoned on the database's clock alone. "ago" is how many microseconds ago
-- each was received, "traces" the traceparent (W3C Trace Context) that it goes on with; both are for those who look.
create function rejoinder.enqueue(
    ingress integer, ids uuid[], endpoints text[], nodes text[], time_left integer[], payloads json[],
    ago integer[] default null, traces text[] default null, lane rejoinder.lane default null
) returns void
language plpgsql
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    started constant timestamptz := clock_timestamp();
    nothing text;
begin
    nothing := set_config('synchronous_commit', 'off', true);
    -- Those that a lane is found for are known.
    if lane.id is null and exists (
        select from unnest(nodes) as called (name)
         where (select true from rejoinder.node as n where n.name = called.name and n.retired_at is null limit 1) is null
    ) then
        nothing := rejoinder.make_known(nodes);
    end if;
    -- The first insertion gives the transaction an id before it is given a place, which claim() relies on.
    with new as (
        insert into rejoinder.received (id, received_at, enqueued_at, deadline, ingress, endpoint, node, trace, payload)
        select u.id, started - coalesce(u.ago, 0) * interval '1 microsecond', started,
               started + u.time_left * interval '1 millisecond', enqueue.ingress, u.endpoint, u.node, u.trace, u.payload
          from (
                select unnest(ids) as id, unnest(endpoints) as endpoint, unnest(nodes) as node, unnest(time_left) as time_left,
                       unnest(payloads) as payload, unnest(ago) as ago, unnest(traces) as trace
          ) as u
            on conflict do nothing
        returning id, deadline, endpoint, node
    )
    insert into rejoinder.live (id, enqueued_at, deadline, ingress, endpoint, node, worker, claimed_at, attempt, max_attempts)
    select new.id, started, new.deadline, enqueue.ingress, new.endpoint, new.node, lane.process,
           case when lane.process is not null then started end, case when lane.process is null then 0 else 1 end,
           coalesce(lane.max_attempts, 3)
      from new;
    if lane.id is not null then
        nothing := rejoinder.grant_to(lane, ids, payloads, traces);
    end if;
end $$;

-- What an ingress calls, in one round trip and one statement: enqueue(), and when that has committed wake(); or, where a
-- lane lies idle, enqueue() for that one. For more than a few a claim costs less than their notifications, and an idle lane may
-- have fewer slots.
create procedure rejoinder.enqueue_and_wake(
    ingress integer, ids uuid[], endpoints text[], nodes text[], time_left integer[], payloads json[],
    ago integer[] default null, traces text[] default null
)
language plpgsql as $$
declare
    lane rejoinder.lane;
    nothing text;
begin
    if pg_catalog.cardinality(ids) <= 16 then
        lane := rejoinder.idle_lane(nodes, time_left, endpoints, payloads);
        if lane.id is not null then
            nothing := rejoinder.enqueue(ingress, ids, endpoints, nodes, time_left, payloads, ago, traces, lane);
            return;
        end if;
    end if;
    nothing := rejoinder.enqueue(ingress, ids, endpoints, nodes, time_left, payloads, ago, traces);
    commit;
    nothing := rejoinder.wake(nodes);
end $$;

-- Takes up to "max" queued events of these nodes (null: of any, but for "excluding"), oldest first, each for one claimer
-- only. It skips what has less time left than its node usually takes; recover() then marks that expired.
--
-- "after" is the low-water mark, a place below which the caller knows nothing to be queued: it bounds the scan, so that
-- neither what runs nor what an old snapshot keeps of all that was claimed since slows the queue.
-- Rides on live_queue: one ordered range per node, each stopped after "max".
--
-- Overload: where there is more than it can take and something has waited for a third of its time, it takes the newest
-- instead, so that what is answered is answered quickly and the rest expires. First in, first out would
-- answer everybody late, and at twice the capacity nobody in time.
--
-- "waited" is how long it was in the queue, in microseconds, for the trace that it is part of (null when in none).
--
-- Nothing of a paused node is taken. What has a limit is taken apart, by claim_limited(); where no node of the lane has
-- one that costs nothing. "retry_in" is set when a limit held something back: after so many milliseconds one may find
-- that. It is in every row; where nothing was granted, in one row without an id.
--
-- With "attention", the lane changes that first, as by attend(): one statement less for each event of a quiet queue.
--
-- "waiting" are the milliseconds that an event must have waited to be taken. A lane that becomes idle while another is eager
-- for the same nodes takes what has waited for 100: the rest the other will claim, in larger batches than two would.
--
-- With "proving", a last row without an id tells what the caller's low-water mark follows from: "emptied_below", where from
-- "after" on nothing is queued any more that it can see and that its lane may take, but not above what had been given out before it
-- looked; "ended_below", where all transactions with lower ids had ended before; and "transaction", its own id, which is higher
-- than that of any that had begun to write before. Whoever gives out places has his transaction's id by then: he has inserted,
-- deleted or locked rows before, or asked for it.
create function rejoinder.claim(
    worker integer, nodes text[], max integer, after bigint default 0, excluding text[] default null,
    max_attempts integer default 3, at_most_once boolean default false, lane integer default null,
    attention text default null, waiting integer default 0, proving boolean default false
) returns table (
    id uuid, place bigint, attempt smallint, time_left integer, ingress integer, endpoint text, node text, payload json,
    retry_in integer, trace text, waited integer, emptied_below bigint, ended_below bigint, transaction bigint
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
    rows tid[];
    sorted uuid[];
    first uuid;
    last uuid;
    is_late boolean;
    has_limits boolean;
    youngest timestamptz;
    served text[];
begin
    if attention is not null then
        perform rejoinder.attend(lane, attention);
        if attention = 'idle' and rejoinder.is_covered(lane) then
            waiting := greatest(waiting, 100);
        end if;
    end if;
    youngest := started - waiting * interval '1 millisecond';
    -- A crash of the database must not forget the start of an event that may be started once only.
    if at_most_once then
        perform rejoinder.commit_durably(true);
    else
        perform set_config('synchronous_commit', 'off', true);
    end if;
    if proving then
        transaction := pg_current_xact_id()::text::bigint;
        ended_below := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
        emptied_below := rejoinder.high_water();
    end if;
    served := coalesce(nodes, rejoinder.nodes_served(null, excluding));
    -- Where they are many, most have nothing in the queue. To find that out by itself takes half of what a range takes.
    if cardinality(served) > 8 then
        served := array(
            select n
              from unnest(served) as n
             where (select true from rejoinder.live as l where l.worker is null and l.node = n and l.place >= claim.after limit 1)
        );
    end if;
    select array_agg(taken.ctid), array_agg(taken.id order by taken.id), bool_or(taken.is_late),
           exists (select from rejoinder.node_limit as b where claim.nodes is null or b.node = any (claim.nodes))
      into rows, sorted, is_late, has_limits
      from (
            select queued.ctid, queued.id, queued.is_late
              from unnest(served) as s (node)
              left join rejoinder.node as known on known.name = s.node
             cross join lateral (
                select l.ctid, l.id, l.place, started - l.enqueued_at > (l.deadline - l.enqueued_at) / 3 as is_late
                  from rejoinder.live as l
                 where l.worker is null
                   and l.node = s.node
                   and l.place >= claim.after
                   and l.deadline > started + coalesce(known.takes, '0')
                   and (claim.waiting = 0 or l.enqueued_at <= youngest)
                 order by l.place
                 limit claim.max
                   for update skip locked
             ) as queued
             where known.paused_at is null
               and known.is_limited is not true
             order by queued.place
             limit claim.max
      ) as taken;
    if is_late and cardinality(rows) = claim.max then
        -- The same from the other end of the index, which takes a statement of its own: an order by expression would sort.
        select array_agg(taken.ctid), array_agg(taken.id order by taken.id)
          into rows, sorted
          from (
                select queued.ctid, queued.id
                  from unnest(served) as s (node)
                  left join rejoinder.node as known on known.name = s.node
                 cross join lateral (
                    select l.ctid, l.id, l.place
                      from rejoinder.live as l
                     where l.worker is null
                       and l.node = s.node
                       and l.place >= claim.after
                       and l.deadline > started + coalesce(known.takes, '0')
                       and (claim.waiting = 0 or l.enqueued_at <= youngest)
                     order by l.place desc
                     limit claim.max
                       for update skip locked
                 ) as queued
                 where known.paused_at is null
                   and known.is_limited is not true
                 order by queued.place desc
                 limit claim.max
          ) as taken;
    end if;
    if has_limits then
        select merged.rows, merged.sorted, merged.retry_in
          into rows, sorted, retry_in
          from rejoinder.claim_limited(nodes, excluding, max, rows) as merged;
    end if;
    if rows is not null then
        first := sorted[1];
        last := sorted[cardinality(sorted)];
        return query
        with running as (
            update rejoinder.live as l
               set worker = claim.worker,
                   attempt = l.attempt + 1,
                   max_attempts = claim.max_attempts,
                   at_most_once = claim.at_most_once,
                   -- It may have been enqueued while this statement waited to change its attention.
                   claimed_at = greatest(started, l.enqueued_at)
             where l.ctid = any (rows)
            returning l.id, l.place, l.attempt, l.enqueued_at, l.deadline, l.ingress, l.endpoint, l.node
        )
        select r.id, r.place, r.attempt, (extract(epoch from r.deadline - started) * 1000)::integer,
               r.ingress, r.endpoint, r.node, p.payload, claim.retry_in, p.trace,
               case when p.trace is not null then greatest(0, least(date_part('epoch', started - r.enqueued_at) * 1000000, 2147483647))::integer end,
               null::bigint, null::bigint, null::bigint
          from running as r
         cross join lateral (
            select received.payload, received.trace
              from rejoinder.received
             where received.id = r.id and received.id between first and last
             limit 1
         ) as p;
    end if;
    if proving then
        -- Without a lock: another claimer may yet leave what it has locked.
        select least(emptied_below, min(seen.place))
          into emptied_below
          from unnest(served) as s (node)
          left join rejoinder.node as known on known.name = s.node
         cross join lateral (
            select l.place
              from rejoinder.live as l
             where l.worker is null
               and l.node = s.node
               and l.place >= claim.after
               and l.deadline > started + coalesce(known.takes, '0')
             order by l.place
             limit 1
         ) as seen
         where known.paused_at is null
           and known.is_limited is not true;
        return next;
    elsif rows is null and retry_in is not null then
        return next;
    end if;
end $$;

-- Stores a batch of outcomes: 'answered' with its answer, 'failed' (no further attempt), 'retry' (queued again while
-- attempts and time are left, else failed; cancelled where its ingress is lost, so that nobody waits for it) or 'expired'. It
-- takes those whose claim is still the current one: "accepted", with the "states" that they have now. Of those that have come to
-- an end, "ingresses" and "records" are whom to tell what; "limited" are their nodes that have a limit, which may let another
-- start. Durable. "ago" is how many microseconds ago each handler ended, "ran" how many it took; for those who look.
create function rejoinder.store(
    worker integer, ids uuid[], places bigint[], outcomes text[], answers json[], codes text[], errors text[],
    ago integer[], ran integer[],
    out accepted uuid[], out states text[], out ingresses integer[], out records text[], out limited text[]
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
    finished constant timestamptz := clock_timestamp();
    nothing text;
    lost integer[];
    again uuid[];
begin
    nothing := rejoinder.commit_durably(true);
    if 'retry' = any (outcomes) then
        -- So that the transaction has an id before it is given a place, which claim() relies on.
        perform pg_current_xact_id();
        -- All in one order, though they are changed in two steps: else this and abandon() could lock each other out.
        perform from (select unnest(ids) as id) as o
           join rejoinder.live as l on l.id = any (array[o.id])
          where l.worker = store.worker
            for update of l;
        lost := array(select p.id from rejoinder.process as p where p.role = 'ingress' and p.stopped_at is not null);
        with queued as (
            update rejoinder.live as l
               set place = nextval('rejoinder.place'),
                   worker = null,
                   claimed_at = null,
                   code = o.code,
                   error = o.error
              from unnest(ids, places, outcomes, codes, errors) as o (id, place, outcome, code, error)
             where o.outcome = 'retry'
               and l.id = any (array[o.id])
               and l.place is not distinct from o.place
               and l.worker = store.worker
               and l.attempt < l.max_attempts
               and not l.at_most_once
               and l.deadline > finished
               and (l.ingress = any (lost)) is not true
            returning l.id
        )
        select array_agg(queued.id) into again from queued;
    end if;
    with ended as (
        delete from rejoinder.live as l
         using (
            select unnest(ids) as id, unnest(places) as place, unnest(outcomes) as outcome, unnest(answers) as answer,
                   unnest(codes) as code, unnest(errors) as error, unnest(ago) as ago, unnest(ran) as ran
         ) as o
         where l.id = any (array[o.id]) and l.place is not distinct from o.place and l.worker = store.worker
        returning l.id, l.place, o.outcome, l.attempt, l.ingress, l.enqueued_at, l.claimed_at, l.node, l.at_most_once, o.code, o.error, o.answer,
                  o.ago, o.ran, o.outcome = 'retry' and l.attempt < l.max_attempts and l.ingress = any (lost) as is_orphan
    ), stored as (
        insert into rejoinder.outcome (
            id, place, state, attempt, ingress, worker, enqueued_at, claimed_at, handled_at, finished_at, handler_ms, node,
            at_most_once, code, error, answer
        )
        select e.id, e.place,
               case when e.is_orphan then 'cancelled' when e.outcome = 'retry' then 'failed' else e.outcome end::rejoinder.state,
               e.attempt, e.ingress, store.worker, e.enqueued_at, e.claimed_at, finished - e.ago * interval '1 microsecond',
               finished, e.ran / 1000.0::real, e.node, e.at_most_once, case when e.is_orphan then 'ingress_lost' else e.code end, e.error, e.answer
          from ended as e
        returning outcome.id, outcome.state, outcome.ingress, outcome.node,
                  rejoinder.record(
                      outcome.id, outcome.attempt,
                      (date_part('epoch', outcome.claimed_at - outcome.enqueued_at) * 1000)::integer, outcome.answer
                  ) as record
    )
    select array_agg(s.id), array_agg(s.state::text), array_agg(s.ingress), array_agg(s.record),
           array_agg(s.node) filter (where s.node = any (array(select b.node from rejoinder.node_limit as b)))
      into accepted, states, ingresses, records, limited
      from stored as s;
    if again is not null then
        accepted := accepted || again;
        states := states || array_fill('queued'::text, array[cardinality(again)]);
    end if;
end $$;

-- The same for those who call settle() and wake() themselves: which were accepted, and the state that each has now.
create function rejoinder.answer(
    worker integer, ids uuid[], places bigint[], outcomes text[], answers json[], codes text[], errors text[],
    ago integer[] default null, ran integer[] default null
) returns table (id uuid, state rejoinder.state)
language plpgsql as $$
begin
    return query
        select a.id, a.state::rejoinder.state
          from rejoinder.store(worker, ids, places, outcomes, answers, codes, errors, ago, ran) as s
         cross join unnest(s.accepted, s.states) as a (id, state);
end $$;

-- What a worker calls: store(), and when that is on the disk what settle() does, in one round trip and one statement.
-- "accepted" and "states" come back: the events whose outcomes were taken, with the states that they have now; and
-- "waited", the share of the time until all was on the disk that the commit took, in per cent.
create procedure rejoinder.answer_and_settle(
    worker integer, ids uuid[], places bigint[], outcomes text[], answers json[], codes text[], errors text[],
    ago integer[] default null, ran integer[] default null, inout accepted uuid[] default null, inout states text[] default null, inout waited integer default null
)
language plpgsql as $$
#variable_conflict use_column
declare
    started constant timestamptz := clock_timestamp();
    stored record;
    answered timestamptz;
    nothing text;
begin
    stored := rejoinder.store(worker, ids, places, outcomes, answers, codes, errors, ago, ran);
    accepted := stored.accepted;
    states := stored.states;
    answered := clock_timestamp();
    commit;
    waited := 100::double precision * date_part('epoch', clock_timestamp() - answered)
        / greatest(date_part('epoch', clock_timestamp() - started), 0.000001::double precision);
    nothing := set_config('synchronous_commit', 'off', true);
    nothing := rejoinder.tell(stored.ingresses, stored.records);
    if stored.limited is not null then
        nothing := rejoinder.wake(array(select distinct n from pg_catalog.unnest(stored.limited) as n));
    end if;
end $$;

-- What has become of these events, as far as they have come to an end: what an ingress replies with. "waited" is how many
-- milliseconds it was in the queue, up to its last attempt (null when it was never claimed).
-- The bounds of the batch make the executor open only the partitions concerned; "limit 1" keeps the planner from reading
-- all that lies between the bounds.
create function rejoinder.results(ids uuid[])
returns table (id uuid, state rejoinder.state, attempt smallint, code text, answer json, waited integer)
language plpgsql stable
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    sorted constant uuid[] := array(select u from unnest(ids) as u order by u);
    first constant uuid := sorted[1];
    last constant uuid := sorted[cardinality(sorted)];
begin
    return query
    select wanted.id, o.state, o.attempt, o.code, o.answer,
           (date_part('epoch', o.claimed_at - o.enqueued_at) * 1000)::integer
      from unnest(sorted) as wanted (id)
     cross join lateral (
        select outcome.state, outcome.attempt, outcome.code, outcome.answer, outcome.claimed_at, outcome.enqueued_at
          from rejoinder.outcome
         where outcome.id = wanted.id and outcome.id between first and last
         limit 1
     ) as o;
end $$;

-- Queues again what was cancelled because its ingress was lost: that was merely cut off, and its callers still wait. What is
-- past its deadline stays as it is.
create function rejoinder.revive(ingress integer, ids uuid[]) returns integer
language plpgsql
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
#variable_conflict use_column
declare
    started constant timestamptz := clock_timestamp();
    revived text[];
begin
    perform rejoinder.commit_durably(false);
    with cancelled as (
        delete from rejoinder.outcome as o
         using rejoinder.received as r
         where o.id = any (ids) and o.state = 'cancelled' and o.code = 'ingress_lost' and o.ingress = revive.ingress
           and r.id = o.id and r.deadline > started
        returning o.id, o.attempt, r.enqueued_at, r.deadline, r.endpoint, r.node
    ), queued as (
        insert into rejoinder.live (id, enqueued_at, deadline, ingress, endpoint, node, attempt)
        select c.id, c.enqueued_at, c.deadline, revive.ingress, c.endpoint, c.node, c.attempt
          from cancelled as c
        returning node
    )
    select coalesce(array_agg(node), '{}') into revived from queued;
    perform rejoinder.wake(array(select distinct n from unnest(revived) as n), true);
    return cardinality(revived);
end $$;

-- What a worker runs, as the database sees it: after a lost connection it gives back what it knows nothing of. Reads the
-- whole of "live".
create function rejoinder.held(worker integer) returns table (id uuid, place bigint)
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    select l.id, l.place
      from rejoinder.live as l
     where l.worker = held.worker;
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
    -- So that the transaction has an id before it is given a place, which claim() relies on.
    perform pg_current_xact_id();
    with given_back as (
        update rejoinder.live as l
           set place = nextval('rejoinder.place'),
               worker = null,
               claimed_at = null,
               attempt = l.attempt - 1
          from unnest(ids, places) as claimed (id, place)
         where l.id = any (array[claimed.id]) and l.place is not distinct from claimed.place and l.worker = release.worker
        returning l.node
    )
    select coalesce(array_agg(node), '{}') into released from given_back;
    perform rejoinder.wake(released, true);
    return cardinality(released);
end $$;

-- Ends live events without an answer, each in a state and with a code of its own; returns those that were live.
create function rejoinder.finish(ids uuid[], states rejoinder.state[], codes text[], errors text[] default null)
returns table (id uuid, ingress integer, worker integer)
language plpgsql
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
#variable_conflict use_column
begin
    return query
    with ended as (
        delete from rejoinder.live as l
         using unnest(ids, states, codes, errors) as o (id, state, code, error)
         where l.id = any (array[o.id])
        returning l.id, l.place, o.state, l.attempt, l.ingress, l.worker, l.enqueued_at, l.claimed_at, l.node, l.at_most_once, o.code,
                  coalesce(o.error, l.error) as error
    )
    insert into rejoinder.outcome (
        id, place, state, attempt, ingress, worker, enqueued_at, claimed_at, finished_at, node, at_most_once, code, error
    )
    select e.id, e.place, e.state, e.attempt, e.ingress, e.worker, e.enqueued_at, e.claimed_at, clock_timestamp(), e.node,
           e.at_most_once, e.code, e.error
      from ended as e
    returning outcome.id, outcome.ingress, outcome.worker;
end $$;

-- Ends events that nobody waits for any more ('cancelled': the caller has gone; 'expired': its deadline passed). "workers" are
-- the processes that ran them, each to be told by call_off(): when this is on the disk where it "must_last", with what runs and may
-- run once only among them. (A worker forgets what is called off: were the end of such a one lost in a crash of the database, it
-- would be given back, and start again.)
create function rejoinder.abandon(
    ids uuid[], states rejoinder.state[], codes text[], out abandoned uuid[], out workers integer[], out must_last boolean
)
language plpgsql
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
    -- Under their locks: one that is being claimed may run once only as soon as that has committed.
    select coalesce(bool_or(l.at_most_once and l.worker is not null), false) into must_last
      from (
            select e.at_most_once, e.worker from rejoinder.live as e where e.id = any (ids) order by e.id for update
      ) as l;
    perform rejoinder.commit_durably(must_last);
    select coalesce(array_agg(f.id), '{}'), coalesce(array_agg(f.worker), '{}')
      into abandoned, workers
      from rejoinder.finish(ids, states, codes) as f;
end $$;

-- Tells those of these workers that there are that an event has come to an end without them: each cancels its handler.
create function rejoinder.call_off(ids uuid[], workers integer[]) returns void
language plpgsql as $$
begin
    perform pg_notify(rejoinder.channel(u.worker), 'cancel ' || u.id)
       from unnest(ids, workers) as u (id, worker)
      where u.worker is not null;
end $$;

-- What an ingress calls: abandon(), and when that is as safe as it must be call_off().
create procedure rejoinder.abandon_and_tell(
    ids uuid[], states rejoinder.state[], codes text[], inout abandoned uuid[] default null
)
language plpgsql as $$
#variable_conflict use_column
declare
    ended record;
    nothing text;
begin
    ended := rejoinder.abandon(ids, states, codes);
    abandoned := ended.abandoned;
    if ended.must_last then
        commit;
        nothing := set_config('synchronous_commit', 'off', true);
    end if;
    nothing := rejoinder.call_off(ended.abandoned, ended.workers);
end $$;

-- Notes which replies an ingress has written, and how many microseconds ago. By the thousand, about once a second.
create function rejoinder.replied(ingress integer, ids uuid[], ago integer[], statuses integer[]) returns void
language plpgsql as $$
#variable_conflict use_column
declare
    started constant timestamptz := clock_timestamp();
begin
    perform set_config('synchronous_commit', 'off', true);
    insert into rejoinder.reply (id, replied_at, ingress, status)
    select u.id, started - u.ago * interval '1 microsecond', replied.ingress, u.status
      from unnest(ids, ago, statuses) as u (id, ago, status);
end $$;
