-- What an operator does, from psql or by a client. These return the new state, or say why not, and leave a row in "audit".

-- Who does it is what the client says ("rejoinder.actor", "rejoinder.via"); the login can't be feigned.
-- What an operator has changed is locked until the end of the transaction, and workers and ingresses wait for it: one that is left
-- open is ended by the server after 5 s, with its session.
create function rejoinder.note(action text, target text, detail jsonb default '{}') returns void
language plpgsql as $$
declare
    login constant text := session_user;
    actor constant text := coalesce(nullif(current_setting('rejoinder.actor', true), ''), login);
    via constant text := coalesce(nullif(current_setting('rejoinder.via', true), ''), 'psql');
begin
    if current_setting('idle_in_transaction_session_timeout')::interval not between interval '1 ms' and interval '5 s' then
        perform set_config('idle_in_transaction_session_timeout', '5s', true);
    end if;
    -- On this server's disk: what notifies may not wait for a standby, which may be missing.
    perform set_config('synchronous_commit', 'local', true);
    insert into rejoinder.audit (actor, via, action, target, detail)
    values (
        actor, via, note.action, note.target,
        jsonb_strip_nulls(detail) || case when actor <> login then jsonb_build_object('login', login) else '{}' end
    );
end $$;

-- ------------------------------------------------------------------------------------------------ events

-- An event's state now: another may have changed it since it was read.
create function rejoinder.state_of(id uuid) returns rejoinder.state
language plpgsql as $$
begin
    return (select e.state from rejoinder.event as e where e.id = state_of.id);
end $$;

create function rejoinder.cancel(id uuid) returns rejoinder.state
language plpgsql as $$
#variable_conflict use_column
declare
    event rejoinder.event;
    ended record;
begin
    select e.* into event from rejoinder.event as e where e.id = cancel.id;
    if event.id is null then
        raise exception 'there is no event %', id using hint = 'select id from rejoinder.queue';
    end if;
    ended := rejoinder.abandon(array[id], array['cancelled'::rejoinder.state], array['cancelled']);
    if ended.abandoned = '{}' then
        raise exception 'event % is %: only a queued or running one can be cancelled', id, rejoinder.state_of(id);
    end if;
    perform rejoinder.call_off(ended.abandoned, ended.workers);
    perform rejoinder.settle(array[id]);
    perform rejoinder.note('cancel', id::text, jsonb_build_object('node', event.node, 'state', event.state));
    return 'cancelled';
end $$;

-- Queues an event again that has come to an end without an answer, with a new deadline and all its attempts. Its caller
-- has had a reply long ago: this is for the sake of what the handler does. One that has been started, and may be once only, is
-- started "again" by him alone who says so.
create function rejoinder.retry(id uuid, time_left interval default '30 seconds', again boolean default false)
returns rejoinder.state
language plpgsql as $$
#variable_conflict use_column
declare
    event rejoinder.event;
begin
    if coalesce(time_left not between interval '1 second' and interval '1 day', true) then
        raise exception 'time_left is %, expected 1 second to 1 day', coalesce(time_left::text, 'null');
    end if;
    select e.* into event from rejoinder.event as e where e.id = retry.id;
    if event.id is null then
        raise exception 'there is no event %', id
            using hint = 'select id from rejoinder.recent where state <> ''answered'' limit 20';
    end if;
    delete from rejoinder.outcome as o where o.id = retry.id and o.state in ('failed', 'expired', 'cancelled');
    if not found then
        raise exception 'event % is %: only a failed, expired or cancelled one can be retried', id, rejoinder.state_of(id);
    end if;
    if event.at_most_once and event.attempt > 0 and again is not true then
        raise exception 'event % was started, and may be once only: what its handler does may be done', id
            using hint = format('if you know that it is not: select rejoinder.retry(%L, again => true)', id);
    end if;
    if exists (select from rejoinder.node as n where n.name = event.node and n.paused_at is not null and not n.waits) then
        raise exception 'node % is paused: resume it before you retry event %', event.node, id
            using hint = format('select rejoinder.resume(%L)', event.node);
    end if;
    perform rejoinder.make_known(array[event.node]);
    insert into rejoinder.live (id, enqueued_at, deadline, endpoint, node)
    values (id, clock_timestamp(), clock_timestamp() + time_left, event.endpoint, event.node);
    perform rejoinder.wake(array[event.node], true);
    perform rejoinder.note(
        'retry', id::text, jsonb_strip_nulls(jsonb_build_object(
            'node', event.node, 'state', event.state, 'time_left', time_left, 'again', nullif(again, false)
        ))
    );
    return 'queued';
end $$;

-- Answers a waiting caller with one message. "status" false makes it Haptik's failure_response.
create function rejoinder.answer_by_hand(id uuid, message text, status boolean default true) returns rejoinder.state
language plpgsql as $$
#variable_conflict use_column
declare
    answer constant json := json_build_object('status', coalesce(status, true), 'response', json_build_array(message));
    event rejoinder.event;
    ended rejoinder.live;
begin
    if coalesce(btrim(message), '') = '' then
        raise exception 'the message is empty: Haptik would treat that as a bot break';
    end if;
    if octet_length(answer::text) > 1048576 then
        raise exception 'the message makes a reply of % bytes, expected 1 MiB at most', octet_length(answer::text);
    end if;
    select e.* into event from rejoinder.event as e where e.id = answer_by_hand.id;
    if event.id is null then
        raise exception 'there is no event %', id using hint = 'select id from rejoinder.queue';
    end if;
    delete from rejoinder.live as l where l.id = answer_by_hand.id returning l.* into ended;
    if ended.id is null then
        raise exception 'event % is already %', id, rejoinder.state_of(id);
    end if;
    insert into rejoinder.outcome (
        id, place, state, attempt, ingress, worker, enqueued_at, claimed_at, finished_at, node, at_most_once, code, answer
    ) values (
        id, ended.place, 'answered', ended.attempt, ended.ingress, ended.worker, ended.enqueued_at, ended.claimed_at,
        clock_timestamp(), ended.node, ended.at_most_once, 'by_hand', answer
    );
    perform rejoinder.settle(array[id]);
    perform rejoinder.call_off(array[id], array[ended.worker]);
    perform rejoinder.note(
        'answer_by_hand', id::text, jsonb_build_object('node', event.node, 'state', event.state, 'status', answer -> 'status')
    );
    return 'answered';
end $$;

-- ------------------------------------------------------------------------------------------------ pauses

-- Ends what is queued for nodes that are paused and don't let their callers wait. "after" as in recover().
create function rejoinder.refuse_paused(after bigint) returns integer
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
    refused constant uuid[] := array(
        select queued.id
          from rejoinder.node as known
         cross join lateral (
            select l.id
              from rejoinder.live as l
             where l.node = known.name and l.place >= refuse_paused.after and l.worker is null
               for update skip locked
         ) as queued
         where known.paused_at is not null and not known.waits
    );
begin
    if refused <> '{}' then
        perform from rejoinder.finish(
            refused, array_fill('cancelled'::rejoinder.state, array[cardinality(refused)]),
            array_fill('paused'::text, array[cardinality(refused)])
        );
        perform rejoinder.settle(refused);
    end if;
    return cardinality(refused);
end $$;

-- Waits until every transaction that had begun to write before has ended, for a second at most: somebody's that writes for
-- long, in whichever database, is none that enqueues. The caller's own transaction has an id from then on, and until it has
-- committed no low-water mark passes what is enqueued by later ones.
create function rejoinder.await_writers() returns void
language plpgsql as $$
declare
    own constant bigint := pg_current_xact_id()::text::bigint;
    started constant timestamptz := clock_timestamp();
begin
    while pg_snapshot_xmin(pg_current_snapshot())::text::bigint < own and clock_timestamp() < started + interval '1 second' loop
        perform pg_sleep(0.005);
    end loop;
end $$;

-- What was held back has old places, which the workers' low-water marks have passed: gives it new ones, in its order. After
-- await_writers(): what was being enqueued would be seen by nobody.
create function rejoinder.put_back(node text) returns void
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
    held constant uuid[] := array(
        select l.id
          from rejoinder.live as l
         where l.node = put_back.node and l.worker is null
         order by l.place
           for update skip locked
    );
begin
    update rejoinder.live as l
       set place = nextval('rejoinder.place')
      from unnest(held) as h (id)
     where l.id = any (array[h.id]);
end $$;

-- Tells every ingress whether to let in the callers of a node. A hint: each reads it with its heartbeat.
create function rejoinder.tell_ingresses(node text, refused boolean) returns void
language plpgsql as $$
begin
    perform pg_notify(rejoinder.channel(p.id), case when refused then 'refuse ' else 'admit ' end || node)
       from rejoinder.process as p
      where p.role = 'ingress' and p.stopped_at is null;
end $$;

-- A node as an operator may name it: also one that was never called.
create function rejoinder.ensure_node(node text) returns void
language plpgsql as $$
begin
    if coalesce(node, '') = '' or length(node) > 200 then
        raise exception 'a node''s name has 1 to 200 characters';
    end if;
    perform rejoinder.make_known(array[node]);
end $$;

-- Starts nothing of a node any more, until resume(). What runs goes on. Callers are refused, also those that wait already; or,
-- with "waits", they wait until their deadlines.
create function rejoinder.pause(node text, waits boolean default false) returns text
language plpgsql as $$
#variable_conflict use_column
declare
    refused integer;
begin
    perform rejoinder.ensure_node(node);
    update rejoinder.node as n
       set paused_at = coalesce(n.paused_at, clock_timestamp()), waits = coalesce(pause.waits, false)
     where n.name = pause.node;
    perform rejoinder.tell_ingresses(node, not coalesce(pause.waits, false));
    refused := rejoinder.refuse_paused(0);
    perform rejoinder.note('pause', node, jsonb_build_object('waits', coalesce(pause.waits, false), 'refused', refused));
    return 'paused';
end $$;

create function rejoinder.resume(node text) returns text
language plpgsql as $$
#variable_conflict use_column
begin
    perform rejoinder.await_writers();
    update rejoinder.node as n set paused_at = null, waits = false where n.name = resume.node and n.paused_at is not null;
    if not found then
        raise exception 'node % is not paused', node using hint = 'select node from rejoinder.nodes where paused';
    end if;
    perform rejoinder.tell_ingresses(node, false);
    perform rejoinder.put_back(node);
    perform rejoinder.wake(array[node], true);
    perform rejoinder.note('resume', node);
    return 'resumed';
end $$;

-- ------------------------------------------------------------------------------------------------ limits

-- Limits a node over all workers: how many events run at once, and how many start a second (with a burst of a second's worth,
-- or one). Null is no limit.
create function rejoinder.limit(node text, running integer, per_second double precision) returns text
language plpgsql as $$
#variable_conflict use_column
declare
    has_limit constant boolean := num_nonnulls(running, per_second) > 0;
begin
    if running < 1 then
        raise exception 'running is %, expected at least 1', running using hint = format('select rejoinder.pause(%L)', node);
    end if;
    if per_second < 0.0001 or per_second > 1e6 then
        raise exception 'per_second is %, expected 0.0001 to 1000000', per_second
            using hint = format('select rejoinder.pause(%L)', node);
    end if;
    if not has_limit then
        perform rejoinder.await_writers();
    end if;
    perform rejoinder.ensure_node(node);
    -- The limit's row first, as a claim does: else the two could lock each other out.
    if has_limit then
        insert into rejoinder.node_limit as b (node, max_running, max_per_second)
        values ("limit".node, running, per_second)
            on conflict (node) do update
           set max_running = excluded.max_running,
               max_per_second = excluded.max_per_second,
               -- What time has brought so far it has brought at the rate of before.
               tokens = case
                   when b.max_per_second is null or excluded.max_per_second is null then 1
                   else least(
                       rejoinder.refilled(b.tokens, b.max_per_second, b.refilled_at, clock_timestamp()),
                       greatest(1, excluded.max_per_second)
                   )
               end,
               refilled_at = clock_timestamp();
    else
        delete from rejoinder.node_limit as b where b.node = "limit".node;
    end if;
    update rejoinder.node as n set is_limited = has_limit where n.name = "limit".node;
    if not has_limit then
        perform rejoinder.put_back(node);
    end if;
    perform rejoinder.wake(array[node], true);
    perform rejoinder.note('limit', node, jsonb_build_object('max_running', running, 'max_per_second', per_second));
    return case when has_limit then 'limited' else 'unlimited' end;
end $$;

-- The tokens of a bucket that holds those of a second, or one.
create function rejoinder.refilled(
    tokens double precision, per_second double precision, since timestamptz, now_is timestamptz
) returns double precision
language sql immutable parallel safe as $$
    select least(greatest(1, per_second), tokens + greatest(0, date_part('epoch', now_is - since)) * per_second)
$$;

-- The queued events that a limit a second won't let start before their deadlines, in the order in which they start now: their
-- callers need not wait for that.
create function rejoinder.held_back_too_long() returns uuid[]
language plpgsql stable as $$
#variable_conflict use_column
declare
    started constant timestamptz := clock_timestamp();
begin
    return array(
        select held.id
          from rejoinder.node_limit as b
          join rejoinder.node as n on n.name = b.node and n.paused_at is null
         cross join lateral (
            select l.id, l.deadline, row_number() over (order by l.place) as from_oldest,
                   row_number() over (order by l.place desc) as from_newest,
                   bool_or(started - l.enqueued_at > (l.deadline - l.enqueued_at) / 3) over () as is_late
              from rejoinder.live as l
             where l.node = b.node and l.place >= b.lowest and l.worker is null
         ) as held
         where b.max_per_second is not null
           and case when held.is_late then held.from_newest else held.from_oldest end
               > rejoinder.refilled(b.tokens, b.max_per_second, b.refilled_at, started)
                 + greatest(0, date_part('epoch', held.deadline - n.takes - started)) * b.max_per_second
    );
end $$;

-- The part of claim() for nodes with a limit: adds what their limits allow to the rows that it has found of others, and keeps
-- the "max" of oldest place. Holds the rows of these limits until the claim has committed, so that claims of one node are
-- counted one after the other. What runs is counted in "live", where a lost worker's events are given up: no count can leak.
-- What was held back has an old place, so that the caller's low-water mark is of no use here: the limit has one of its own, from
-- looks at all of its node, one each 5 s, or more seldom where they take long: they may take a fiftieth of the time. It is what the
-- last two have seen: what was being enqueued during the one before is there in the last, and what takes longer than that to
-- commit is found by the next.
create function rejoinder.claim_limited(
    nodes text[], excluding text[], max integer, inout rows tid[], out sorted uuid[], out retry_in integer
)
language plpgsql as $$
#variable_conflict use_column
declare
    held record;
    now_is timestamptz;
    tokens double precision;
    allowed integer;
    after bigint;
    seen_from bigint;
    found_rows tid[];
    is_late boolean;
    locked text[] := '{}';
begin
    for held in
        select b.node, b.max_running, b.max_per_second, b.tokens, b.refilled_at, b.lowest, b.lowest_seen, b.looks_at, n.takes
          from rejoinder.node_limit as b
          join rejoinder.node as n on n.name = b.node
         where (claim_limited.nodes is null or b.node = any (claim_limited.nodes))
           and (b.node = any (claim_limited.excluding)) is not true
           and n.paused_at is null
           and (
               b.looks_at not between clock_timestamp() and clock_timestamp() + interval '1 minute'
               or (
                   select true from rejoinder.live as l
                    where l.node = b.node and l.place >= b.lowest and l.worker is null
                    limit 1
               )
           )
         order by b.node
           for update of b
    loop
        locked := locked || held.node;
        now_is := clock_timestamp();
        tokens := null;
        allowed := max;
        after := held.lowest;
        if held.looks_at not between now_is and now_is + interval '1 minute' then
            seen_from := rejoinder.high_water();
            seen_from := coalesce(
                (select l.place from rejoinder.live as l where l.node = held.node order by l.place limit 1), seen_from
            );
            after := least(held.lowest_seen, seen_from);
            -- A clock that was put back must not stop the filling until it has caught up.
            update rejoinder.node_limit as b
               set lowest = after, lowest_seen = seen_from, refilled_at = least(b.refilled_at, now_is),
                   looks_at = now_is + least(greatest(interval '5 seconds', 50 * (clock_timestamp() - now_is)), interval '1 minute')
             where b.node = held.node;
            held.refilled_at := least(held.refilled_at, now_is);
            continue when not exists (
                select from rejoinder.live as l where l.node = held.node and l.place >= after and l.worker is null
            );
        end if;
        if held.max_running is not null then
            allowed := least(
                allowed,
                held.max_running - (
                    select count(*) from rejoinder.live as l
                     where l.node = held.node and l.place >= after and l.worker is not null
                )
            );
        end if;
        if held.max_per_second is not null then
            tokens := rejoinder.refilled(held.tokens, held.max_per_second, held.refilled_at, now_is);
            allowed := least(allowed, floor(tokens));
        end if;
        found_rows := null;
        if allowed > 0 then
            select array_agg(queued.ctid), bool_or(queued.is_late)
              into found_rows, is_late
              from (
                    select l.ctid, now_is - l.enqueued_at > (l.deadline - l.enqueued_at) / 3 as is_late
                      from rejoinder.live as l
                     where l.node = held.node and l.place >= after and l.worker is null and l.deadline > now_is + held.takes
                     order by l.place
                     limit allowed
                       for update skip locked
              ) as queued;
            -- Newest first, as in claim(), where there is more than may start.
            if is_late and cardinality(found_rows) = allowed then
                found_rows := array(
                    select l.ctid
                      from rejoinder.live as l
                     where l.node = held.node and l.place >= after and l.worker is null and l.deadline > now_is + held.takes
                     order by l.place desc
                     limit allowed
                       for update skip locked
                );
            end if;
        end if;
        -- Is there a limit that holds something back?
        if allowed < max and cardinality(coalesce(found_rows, '{}')) >= allowed then
            retry_in := least(retry_in, case
                when tokens - allowed < 1 then ceil(1000 * (1 - (tokens - allowed)) / held.max_per_second)
                else 100
            end::integer);
        end if;
        rows := rows || found_rows;
    end loop;
    select array_agg(merged.ctid), array_agg(merged.id order by merged.id)
      into rows, sorted
      from (select l.ctid, l.id from rejoinder.live as l where l.ctid = any (rows) order by l.place limit claim_limited.max) as merged;
    with taken as materialized (
        select l.node from rejoinder.live as l where l.ctid = any (rows)
    )
    -- Only what is locked already, in its order: a limit that is set in this very moment counts from the next claim on.
    update rejoinder.node_limit as b
       set tokens = rejoinder.refilled(b.tokens, b.max_per_second, b.refilled_at, now_is) - taken.number,
           refilled_at = now_is
      from (select t.node, count(*) as number from taken as t group by t.node) as taken
     where b.node = taken.node and b.node = any (locked) and b.max_per_second is not null;
end $$;


-- ------------------------------------------------------------------------------------------------ retention

-- How long finished events are kept. The next drop_expired() drops the days of UTC that have ended before that.
create function rejoinder.set_retention(retention interval) returns interval
language plpgsql as $$
#variable_conflict use_column
begin
    if coalesce(set_retention.retention < interval '1 hour', true) then
        raise exception 'retention is %, expected at least 1 hour', coalesce(set_retention.retention::text, 'null');
    end if;
    update rejoinder.setting as s set retention = set_retention.retention;
    perform rejoinder.note('set_retention', 'setting', jsonb_build_object('retention', set_retention.retention));
    return set_retention.retention;
end $$;

-- ------------------------------------------------------------------------------------------------ workers

-- Lets a worker stop as on SIGTERM: it claims nothing more, finishes what it has, and exits with code 0.
create function rejoinder.drain(worker integer) returns text
language plpgsql as $$
#variable_conflict use_column
declare
    told rejoinder.process;
begin
    update rejoinder.process as p
       set draining_at = coalesce(p.draining_at, clock_timestamp())
     where p.id = drain.worker and p.role = 'worker' and p.stopped_at is null
    returning p.* into told;
    if told.id is null then
        raise exception 'there is no worker %', worker using hint = 'select id, name, host from rejoinder.workers';
    end if;
    perform pg_notify(rejoinder.channel(worker), 'drain');
    perform rejoinder.note(
        'drain', worker::text, jsonb_build_object('name', told.name, 'host', told.host, 'pid', told.pid)
    );
    return 'draining';
end $$;
