-- Recovery and housekeeping: what happens without anybody asking.

-- The last place given out: every event queued later has a higher one. For low-water marks.
create function rejoinder.high_water() returns bigint
language plpgsql stable as $$
begin
    return (select last_value from rejoinder.place);
end $$;

-- Takes the running events of processes that are gone. Those that may run again are queued again at the end, or fail
-- where no attempt is left; with "final" also those that may not.
create function rejoinder.give_up(workers integer[], final boolean) returns integer
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
    queued text[];
    failed_ids uuid[];
    failed_ingresses integer[];
begin
    with held as (
        select e.id,
               not e.at_most_once and e.attempt < e.max_attempts and e.deadline > started as again
          from rejoinder.event as e
         where e.state = 'running' and e.worker = any (workers) and (final or not e.at_most_once)
           for update skip locked
    ), lost as (
        update rejoinder.event as e
           set state = case when held.again then 'queued' else 'failed' end::rejoinder.state,
               place = case when held.again then nextval('rejoinder.place') else e.place end,
               worker = case when held.again then null else e.worker end,
               finished_at = case when held.again then null else started end,
               code = 'worker_lost',
               error = 'its worker was lost in attempt ' || e.attempt
          from held
         where e.id = held.id
        returning e.id, e.state, e.node, e.ingress
    )
    select coalesce(array_agg(node) filter (where state = 'queued'), '{}'),
           coalesce(array_agg(id) filter (where state = 'failed'), '{}'),
           coalesce(array_agg(ingress) filter (where state = 'failed'), '{}')
      into queued, failed_ids, failed_ingresses
      from lost;
    if queued <> '{}' then
        perform rejoinder.wake(queued);
    end if;
    if failed_ids <> '{}' then
        perform rejoinder.notify_ingresses(failed_ingresses, failed_ids);
    end if;
    return cardinality(queued) + cardinality(failed_ids);
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
-- merely cut comes back within the times below; after a restart of the database all were, so what can't be undone waits.
--   0.45 s: its events are queued again
--   1 s, or 5 s soon after a restart: its at-most-once events fail, its lanes go
--   5 s: the queued events of an ingress are cancelled, since nobody would get their answer
create function rejoinder.bury(after bigint, out requeued integer, out cancelled integer)
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
    final_after constant interval := case
        when pg_postmaster_start_time() > started - interval '15 seconds' then interval '5 seconds'
        else interval '1 second'
    end;
    suspect rejoinder.process;
    missing_for interval;
    gone integer;
begin
    requeued := 0;
    cancelled := 0;
    for suspect in select p.* from rejoinder.process as p where p.stopped_at is null order by p.id loop
        continue when suspect.heartbeat_at >= started - silence
            and not pg_try_advisory_xact_lock_shared(rejoinder.lock_class('alive'), suspect.id);
        update rejoinder.process as p
           set missing_since = coalesce(p.missing_since, started)
         where p.id = suspect.id and p.heartbeat_at = suspect.heartbeat_at
        returning started - p.missing_since into missing_for;
        continue when not found;
        if suspect.heartbeat_at < started - silence then
            missing_for := greatest(missing_for, started - suspect.heartbeat_at);
        end if;

        if suspect.role = 'worker' and missing_for >= interval '450 milliseconds' then
            requeued := requeued + rejoinder.give_up(array[suspect.id], missing_for >= final_after);
        end if;
        continue when missing_for < case suspect.role when 'worker' then final_after else interval '5 seconds' end;

        delete from rejoinder.lane as l where l.process = suspect.id;
        update rejoinder.process as p set stopped_at = started, busy = 0 where p.id = suspect.id;
        if suspect.role = 'ingress' then
            update rejoinder.event as e
               set state = 'cancelled', finished_at = started, code = 'ingress_lost'
             where e.state = 'queued' and e.ingress = suspect.id and e.place >= bury.after;
            get diagnostics gone = row_count;
            cancelled := cancelled + gone;
        end if;
    end loop;
end $$;

-- Marks expired what can't be answered in time any more, and what a live worker has not let go of 2 s past its deadline.
create function rejoinder.expire(after bigint) returns integer
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
    ended_ids uuid[];
    ended_ingresses integer[];
    ended_workers integer[];
begin
    with overdue as (
        select queued.id
          from rejoinder.node as known
         cross join lateral (
            select e.id
              from rejoinder.event as e
             where e.state = 'queued'
               and e.node = known.name
               and e.place >= expire.after
               and e.deadline <= started + known.takes
             order by e.place
             limit 10000
               for update skip locked
         ) as queued
    ), gone as (
        update rejoinder.event as e
           set state = 'expired', finished_at = started, code = 'expired'
          from overdue
         where e.id = overdue.id
        returning e.id, e.ingress, null::integer as worker
    ), stuck as (
        update rejoinder.event as e
           set state = 'expired', finished_at = started, code = 'expired'
         where e.state = 'running' and e.deadline < started - interval '2 seconds'
        returning e.id, e.ingress, e.worker
    ), ended as (
        select id, ingress, worker from gone
        union all
        select id, ingress, worker from stuck
    )
    select coalesce(array_agg(id), '{}'), coalesce(array_agg(ingress), '{}'), coalesce(array_agg(worker), '{}')
      into ended_ids, ended_ingresses, ended_workers
      from ended;
    if ended_ids <> '{}' then
        perform rejoinder.notify_ingresses(ended_ingresses, ended_ids);
        perform pg_notify(rejoinder.channel(u.worker), 'cancel ' || u.id)
           from unnest(ended_ids, ended_workers) as u (id, worker)
          where u.worker is not null;
    end if;
    return cardinality(ended_ids);
end $$;

-- Every 500 ms by the process that holds the maintenance lock, and by each worker as it starts. "after" is the caller's
-- low-water mark, as in claim().
create function rejoinder.recover(
    after bigint default 0, out requeued integer, out cancelled integer, out expired integer
)
language plpgsql as $$
begin
    perform rejoinder.commit_durably(false);
    select buried.requeued, buried.cancelled into requeued, cancelled from rejoinder.bury(recover.after) as buried;
    expired := rejoinder.expire(recover.after);
end $$;

-- Makes the partitions of the coming days, drops those older than the retention, and refreshes how long each node
-- usually takes. Every minute by the process that holds the maintenance lock.
create function rejoinder.tidy(out made integer, out dropped integer)
language plpgsql
set jit = off
set lock_timeout = '200ms' -- an exclusive lock that waits would hold up everybody behind it
as $$
#variable_conflict use_column
declare
    kept_since constant timestamptz := clock_timestamp() - (select retention from rejoinder.setting);
    today constant timestamptz := date_trunc('day', clock_timestamp(), 'UTC');
    day timestamptz;
    partition text;
begin
    made := 0;
    dropped := 0;
    for day in select generate_series(today, today + interval '2 days', interval '1 day') loop
        partition := 'event_' || to_char(day at time zone 'UTC', 'YYYYMMDD');
        continue when to_regclass('rejoinder.' || partition) is not null;
        begin
            -- Made apart and then attached, which lets enqueue and claim go on meanwhile.
            execute format(
                'create table rejoinder.%I (like rejoinder.event including defaults including constraints)', partition
            );
            execute format(
                'alter table rejoinder.event attach partition rejoinder.%I for values from (%L) to (%L)',
                partition, rejoinder.id_at(day), rejoinder.id_at(day + interval '1 day')
            );
            made := made + 1;
        exception
        when lock_not_available or check_violation then
            -- Somebody is in the way, or the default partition has rows of that day already: they are served there.
            raise warning 'partition % was not made: %', partition, sqlerrm;
        when duplicate_table or unique_violation then
            null; -- somebody else has made it in this very moment
        end;
    end loop;

    for partition, day in
        select c.relname, to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp at time zone 'UTC'
          from pg_inherits as i
          join pg_class as c on c.oid = i.inhrelid
         where i.inhparent = 'rejoinder.event'::regclass and c.relname ~ '^event_[0-9]{8}$'
         order by c.relname
    loop
        continue when day + interval '1 day' >= kept_since;
        begin
            execute format('drop table rejoinder.%I', partition);
            dropped := dropped + 1;
        exception when lock_not_available then
            raise warning 'partition % was not dropped yet: %', partition, sqlerrm;
        end;
    end loop;
    delete from rejoinder.event_default as e
     where e.id < rejoinder.id_at(kept_since) and e.state not in ('queued', 'running');
    delete from rejoinder.process as p where p.stopped_at < kept_since;

    update rejoinder.node as n
       set takes = recent.takes
      from (
            select e.node, percentile_disc(0.5) within group (order by e.finished_at - e.claimed_at) as takes
              from rejoinder.event as e
             where e.id >= rejoinder.id_at(clock_timestamp() - interval '2 minutes')
               and e.state = 'answered'
               and e.claimed_at is not null
             group by e.node
      ) as recent
     where recent.node = n.name and n.takes is distinct from recent.takes;
end $$;
