-- Recovery and housekeeping: what happens without anybody asking.

-- The last place given out: every event queued later has a higher one. For low-water marks.
create function rejoinder.high_water() returns bigint
language plpgsql stable as $$
begin
    -- No scan of the sequence: where claim() forbids such scans, its cost had it compiled, which took 18 ms.
    return coalesce(pg_sequence_last_value('rejoinder.place'), 0);
end $$;

-- Takes the running events of processes that are gone. Those that may run again are queued again at the end, or fail
-- where no attempt is left, or are cancelled where their ingress is lost too; with "final" also those that may not run again; with
-- "claimed_by" none that was claimed later. Reads the whole of "live".
create function rejoinder.give_up(workers integer[], final boolean, claimed_by timestamptz default null) returns integer
language plpgsql
set jit = off
as $$
#variable_conflict use_column
declare
    started constant timestamptz := clock_timestamp();
    queued uuid[];
    ended uuid[];
    states rejoinder.state[];
    codes text[];
    errors text[];
    nodes text[];
begin
    select coalesce(array_agg(held.id) filter (where held.again and not held.is_orphan), '{}'),
           coalesce(array_agg(held.node) filter (where held.again and not held.is_orphan), '{}'),
           coalesce(array_agg(held.id) filter (where not held.again or held.is_orphan), '{}'),
           array_agg(case when held.again then 'cancelled'::rejoinder.state else 'failed' end)
               filter (where not held.again or held.is_orphan),
           array_agg(case when held.again then 'ingress_lost' else 'worker_lost' end)
               filter (where not held.again or held.is_orphan),
           array_agg('its worker was lost in attempt ' || held.attempt) filter (where not held.again or held.is_orphan)
      into queued, nodes, ended, states, codes, errors
      from (
            select l.id, l.node, l.attempt,
                   not l.at_most_once and l.attempt < l.max_attempts and l.deadline > started as again,
                   exists (
                       select from rejoinder.process as p where p.id = l.ingress and p.stopped_at is not null
                   ) as is_orphan
              from rejoinder.live as l
             where l.worker = any (workers) and (final or not l.at_most_once) and (l.claimed_at > claimed_by) is not true
               for update skip locked
      ) as held;
    if queued <> '{}' then
        update rejoinder.live as l
           set place = nextval('rejoinder.place'),
               worker = null,
               claimed_at = null,
               code = 'worker_lost',
               error = 'its worker was lost in attempt ' || l.attempt
         where l.id = any (queued);
        perform rejoinder.wake(nodes, true);
    end if;
    if ended <> '{}' then
        perform from rejoinder.finish(ended, states, codes, errors);
        perform rejoinder.settle(ended);
    end if;
    return cardinality(queued) + cardinality(ended);
end $$;

-- A process that stops in order: its lanes go at once, and whatever it still holds is given to others.
create function rejoinder.deregister(process integer) returns void
language plpgsql as $$
#variable_conflict use_column
begin
    perform rejoinder.commit_durably(false);
    -- The process before its lanes, as register() does: else the two could lock each other out.
    update rejoinder.process as p
       set stopped_at = clock_timestamp(), busy = 0
     where p.id = deregister.process;
    delete from rejoinder.lane as l where l.process = deregister.process;
    perform rejoinder.give_up(array[process], true);
end $$;

-- Finds processes that are gone: no session holds their "alive" lock, or no heartbeat came for 5 s. One whose session was
-- merely cut comes back within the times below; where the database was away all were, so what can't be undone waits for as
-- long as one of them may take to notice: a host that vanished says nothing. The times run from the first look that misses it,
-- and anew where nobody was heard of for 3 s, as during a restart or a failover. Only where its session is there and it is silent
-- all the same they run from its last heartbeat, or from when one could be heard again: a server that stood still, or whose clock
-- was put forward, keeps its sessions.
--   0.45 s: its events are queued again
--   1 s: its at-most-once events fail, its lanes go
--   2 s: the queued events of an ingress are cancelled, since nobody would get their answer; should it come back, it has
--        revive() queue them again
--   both 5 s soon after a start of the server, which may have been away for less than 3 s, and 10 s soon after more
create function rejoinder.bury(out requeued integer, out cancelled integer)
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
    silence constant interval := '5 seconds';
    resumed constant timestamptz := rejoinder.hear(started);
    grace interval;
    final_after interval;
    suspect rejoinder.process;
    is_connected boolean;
    missing_for interval;
    gone uuid[];
begin
    requeued := 0;
    cancelled := 0;
    grace := case
        when resumed > started - interval '15 seconds' then interval '10 seconds'
        when pg_postmaster_start_time() > started - interval '15 seconds' then interval '5 seconds'
    end;
    for suspect in select p.* from rejoinder.process as p where p.stopped_at is null order by p.id loop
        is_connected := suspect.holds_lock
            and not pg_try_advisory_xact_lock_shared(rejoinder.lock_class('alive'), suspect.id);
        continue when suspect.heartbeat_at >= started - silence and (is_connected or not suspect.holds_lock);
        continue when is_connected and resumed >= started - silence;
        update rejoinder.process as p
           set missing_since = coalesce(p.missing_since, started)
         where p.id = suspect.id and p.heartbeat_at = suspect.heartbeat_at
        returning started - greatest(p.missing_since, resumed) into missing_for;
        continue when not found;
        final_after := case
            when not is_connected and grace is not null then grace
            when suspect.role = 'worker' then interval '1 second'
            else interval '2 seconds'
        end;
        -- It has been silent all the time that it was connected.
        if is_connected then
            missing_for := greatest(missing_for, started - greatest(suspect.heartbeat_at, resumed));
        end if;

        if suspect.role = 'worker' and missing_for >= interval '450 milliseconds' then
            requeued := requeued + rejoinder.give_up(array[suspect.id], missing_for >= final_after);
        end if;
        continue when missing_for < final_after;

        delete from rejoinder.lane as l where l.process = suspect.id;
        update rejoinder.process as p set stopped_at = started, busy = 0 where p.id = suspect.id;
        perform rejoinder.note_incidents(
            suspect.id, array['process'], array[suspect.role || '_lost'], array[''], array[1], array[0]
        );
        if suspect.role = 'ingress' then
            gone := array(
                select queued.id
                  from rejoinder.node as known
                 cross join lateral (
                    select l.id
                      from rejoinder.live as l
                     where l.node = known.name and l.worker is null and l.ingress = suspect.id
                       for update skip locked
                 ) as queued
            );
            perform from rejoinder.finish(
                gone, array_fill('cancelled'::rejoinder.state, array[cardinality(gone)]),
                array_fill('ingress_lost'::text, array[cardinality(gone)])
            );
            cancelled := cancelled + cardinality(gone);
        end if;
    end loop;

    -- What was locked then, by an operator's transaction, which ends within 5 s, or was claimed by a statement that was still under
    -- way. (One that is alive after all claims more until it hears of it, which is its own.)
    for suspect in
        select p.*
          from rejoinder.process as p
         where p.role = 'worker' and p.stopped_at between started - interval '9 seconds' and started - interval '5.5 seconds'
         order by p.id
    loop
        requeued := requeued + rejoinder.give_up(array[suspect.id], true, suspect.stopped_at);
    end loop;
end $$;

-- Marks expired what can't be answered in time any more, what a limit holds back for too long, and what a live worker has not
-- let go of 2 s past its deadline. "first" is the place of the oldest live event from "after" on; null where there is none.
create function rejoinder.expire(after bigint, out expired integer, out first bigint)
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
    names text[];
    firsts bigint[];
    overdue uuid[];
begin
    -- What has ended since leaves its entries in the index until it is vacuumed: they are stepped over once.
    select array_agg(known.name), array_agg(oldest.place), min(oldest.place)
      into names, firsts, first
      from rejoinder.node as known
     cross join lateral (
        select l.place
          from rejoinder.live as l
         where l.node = known.name and l.place >= expire.after
         order by l.place
         limit 1
     ) as oldest;
    overdue := array(
        select late.id
          from (select unnest(names) as name, unnest(firsts) as place) as queue
          join rejoinder.node as known on known.name = queue.name
         cross join lateral (
            select l.id
              from rejoinder.live as l
             where l.node = known.name
               and l.place >= queue.place
               and l.deadline <= case when l.worker is null then started + known.takes else started - interval '2 seconds' end
             order by l.place
             limit 10000
               for update skip locked
         ) as late
    );
    overdue := overdue || array(
        select l.id
          from rejoinder.live as l
         where l.id = any (rejoinder.held_back_too_long()) and l.worker is null and l.id <> all (overdue)
           for update skip locked
    );
    expired := cardinality(overdue);
    if expired = 0 then
        return;
    end if;
    perform rejoinder.call_off(array_agg(f.id), array_agg(f.worker))
       from rejoinder.finish(
           overdue, array_fill('expired'::rejoinder.state, array[cardinality(overdue)]),
           array_fill('expired'::text, array[cardinality(overdue)])
       ) as f;
    perform rejoinder.settle(overdue);
end $$;

-- Every 500 ms, at rest every 1.5 s, by the process that holds the maintenance lock. "after" is the caller's low-water mark, as
-- in claim(), and noted for vitals(); 0 where it looks through the whole queue for once. "emptied" is what it may be some time
-- from now: no live event has a place below it, but one that commits later may.
-- Without "expires" it leaves alone what is overdue, which takes time to find, and "emptied" is null.
create function rejoinder.recover(
    after bigint default 0, expires boolean default true, out requeued integer, out cancelled integer, out expired integer, out emptied bigint
)
language plpgsql as $$
declare
    given_out constant bigint := rejoinder.high_water();
begin
    perform rejoinder.commit_durably(false);
    select buried.requeued, buried.cancelled into requeued, cancelled from rejoinder.bury() as buried;
    -- Not above what was given out: after a crash of the server places may be given out a second time.
    update rejoinder.watch as w
       set emptied = least(recover.after, given_out)
     where w.ctid = (select free.ctid from rejoinder.watch as free for update skip locked)
       and recover.after > 0
       and w.emptied <> least(recover.after, given_out);
    -- What was enqueued by an ingress that had not heard of a pause, or queued again.
    cancelled := cancelled + rejoinder.refuse_paused(recover.after);
    expired := 0;
    if expires then
        select overdue.expired, coalesce(overdue.first, given_out) into expired, emptied from rejoinder.expire(recover.after) as overdue;
    end if;
end $$;

-- Makes the partitions of the coming days, and refreshes how long each node usually takes; nodes that nobody called within the
-- retention go, and so does what is older in other tables than those. Returns how many partitions it has made. Every minute by
-- the process that holds the maintenance lock.
create function rejoinder.tidy() returns integer
language plpgsql
-- Else a table that was not analysed since it was small is read from end to end, each minute.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
set jit = off
set timezone = 'UTC' -- elsewhere a day may have 23 hours, or 25
set lock_timeout = '100ms' -- an exclusive lock that waits holds up everybody behind it
as $$
#variable_conflict use_column
declare
    made integer := 0;
    kept_since constant timestamptz := clock_timestamp() - (select retention from rejoinder.setting);
    lately constant uuid := rejoinder.id_at(clock_timestamp() - interval '2 minutes');
    soon constant uuid := rejoinder.id_at(clock_timestamp() + interval '2 minutes'); -- an ingress's clock may be ahead of that
    today constant timestamptz := date_trunc('day', clock_timestamp(), 'UTC');
    parent text;
    day timestamptz;
    partition text;
begin
    -- What a crash takes back is done again. And while a standby is missing that commits wait for, nobody may wait for the locks
    -- that this holds.
    perform rejoinder.commit_durably(false);
    -- Somebody else does it in this very moment, and keeps locks until the end.
    if not pg_try_advisory_xact_lock(rejoinder.lock_class('maintenance'), 1) then
        return made;
    end if;
    delete from rejoinder.reply_default as r where r.id < rejoinder.id_at(kept_since);
    delete from rejoinder.process as p where p.stopped_at < kept_since;
    delete from rejoinder.incident as i where i.minute < kept_since;
    delete from rejoinder.audit as a where a.at < clock_timestamp() - interval '90 days';

    update rejoinder.node as n
       -- Where none was answered, fewer are kept from starting each time: a node that takes longer than is left now would else
       -- never start one again, and nothing be learnt.
       set takes = coalesce(recent.takes, n.takes / 2), last_seen_at = clock_timestamp()
      from (
            select o.node,
                   percentile_disc(0.5) within group (order by o.finished_at - o.claimed_at)
                       filter (where o.state = 'answered' and o.claimed_at is not null) as takes
              from (
                    -- The latest are enough: so many that it takes no longer where there are more.
                    select latest.node, latest.state, latest.claimed_at, latest.finished_at
                      from rejoinder.outcome as latest
                     where latest.id >= lately and latest.id < soon
                     order by latest.id desc
                     limit 20000
              ) as o
             group by o.node
      ) as recent
     where recent.node = n.name
       and (n.takes <> coalesce(recent.takes, n.takes / 2) or n.last_seen_at < clock_timestamp() - interval '1 hour');

    -- A node's name is a stranger's text: one that nobody calls any more goes. First it is retired, so that enqueue() takes it
    -- for a new one; a minute later whatever had found it known has committed, and is seen here.
    delete from rejoinder.node as n
     where n.retired_at < clock_timestamp() - interval '1 minute'
       and n.paused_at is null
       and not n.is_limited
       and not exists (select from rejoinder.live as l where l.node = n.name);
    update rejoinder.node as n
       set retired_at = clock_timestamp()
     where n.retired_at is null and n.last_seen_at < kept_since and n.paused_at is null and not n.is_limited;

    -- Last, since what is attached has the default partitions locked until the end.
    <<parents>>
    foreach parent in array array['received', 'outcome', 'reply'] loop
        for day in select generate_series(today, today + interval '2 days', interval '1 day') loop
            partition := parent || '_' || to_char(day at time zone 'UTC', 'YYYYMMDD');
            continue when to_regclass('rejoinder.' || partition) is not null;
            begin
                -- Made apart and then attached, which lets enqueue and claim go on until then. Of rows that are never changed
                -- autovacuum would read and write all a second time, each minute what the last one brought; against
                -- wraparound it comes all the same. (It summarizes the index of "reply".) And what is read for the statistics is
                -- written too, 30,000 pages at a time were it not less.
                execute format(
                    'create %s table rejoinder.%I (like rejoinder.%I including defaults including constraints) %s',
                    case parent when 'reply' then 'unlogged' end, partition, parent,
                    case when parent <> 'reply' then 'with (autovacuum_vacuum_insert_threshold = -1)' end
                );
                execute (
                    select format(
                               'alter table rejoinder.%I %s',
                               partition, string_agg(format('alter column %I set statistics 10', a.attname), ', ')
                           )
                      from pg_attribute as a
                     where a.attrelid = ('rejoinder.' || partition)::regclass and a.attnum > 0
                );
                execute format(
                    'alter table rejoinder.%I attach partition rejoinder.%I for values from (%L) to (%L)',
                    parent, partition, rejoinder.id_at(day), rejoinder.id_at(day + interval '1 day')
                );
                made := made + 1;
            exception
            when lock_not_available then
                -- Somebody is in the way, and probably in that of the others too: a wait each time is enough.
                raise warning 'partition % was not made: %', partition, sqlerrm;
                exit parents;
            when check_violation or invalid_object_definition then
                -- The default partition has rows of that day already, or another partition has a part of it: they are served
                -- there.
                raise warning 'partition % was not made: %', partition, sqlerrm;
            end;
        end loop;
    end loop parents;
    return made;
end $$;

-- Drops one partition that is older than the retention, or empties the default ones by some thousands of events, and returns 1; or
-- 0 where there is none, or somebody is in the way, who has read of it in a transaction that is still open. To be called again
-- while it returns 1, each time in a transaction of its own: the lock of all events that it takes is held until that ends. After
-- tidy(), by the same process.
create function rejoinder.drop_expired() returns integer
language plpgsql
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
set jit = off
set timezone = 'UTC'
set lock_timeout = '100ms' -- everybody waits behind it
as $$
#variable_conflict use_column
declare
    kept_since constant timestamptz := clock_timestamp() - (select retention from rejoinder.setting);
    parent text;
    day timestamptz;
    partition text;
    removed integer;
begin
    perform rejoinder.commit_durably(false);
    -- By this clock, not by the ids': in the default partitions is what ingresses send whose clocks are wrong by days.
    delete from rejoinder.received_default as r
     using (
        select d.id from rejoinder.received_default as d where d.id >= rejoinder.id_at('epoch') order by d.id limit 5000
     ) as first
     where r.id = any (array[first.id])
       and r.received_at < kept_since
       and not exists (select from rejoinder.live as l where l.id = r.id);
    get diagnostics removed = row_count;
    if removed > 0 then
        return 1;
    end if;
    delete from rejoinder.outcome_default as o
     using (
        select d.id from rejoinder.outcome_default as d where d.id >= rejoinder.id_at('epoch') order by d.id limit 5000
     ) as first
     where o.id = any (array[first.id]) and o.finished_at < kept_since;
    get diagnostics removed = row_count;
    if removed > 0 then
        return 1;
    end if;
    for parent, partition, day in
        select p.relname, c.relname, to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp at time zone 'UTC'
          from pg_inherits as i
          join pg_class as c on c.oid = i.inhrelid
          join pg_class as p on p.oid = i.inhparent
         where i.inhparent in ('rejoinder.received'::regclass, 'rejoinder.outcome'::regclass, 'rejoinder.reply'::regclass)
           and c.relname ~ '_[0-9]{8}$'
         -- What was received goes before its outcomes: without these it would look as if it were in the queue.
         order by right(c.relname, 8), p.relname <> 'received', c.relname
    loop
        continue when day + interval '1 day' >= kept_since;
        continue when parent <> 'received' and exists (
            select from pg_inherits as i
             where i.inhparent = 'rejoinder.received'::regclass
               and i.inhrelid = to_regclass('rejoinder.received_' || right(partition, 8))
        );
        -- An old event that was queued again still needs its payload.
        continue when parent = 'received' and exists (
            select from rejoinder.live as l
             where l.id >= rejoinder.id_at(day) and l.id < rejoinder.id_at(day + interval '1 day')
        );
        execute format('drop table rejoinder.%I', partition);
        return 1;
    end loop;
    return 0;
exception when lock_not_available then
    raise warning 'partition % was not dropped yet: %', partition, sqlerrm;
    return 0;
end $$;
