-- What a dashboard reads. As functions, so that an ingress's login needs no table; each reads a bounded number of rows.

-- This moment: what waits and runs by node, the workers, the latest ends without an answer, and how many calls arrive.
create function rejoinder.glance() returns json
language plpgsql stable
set jit = off
as $$
declare
    started constant timestamptz := clock_timestamp();
    nodes constant rejoinder.nodes[] := array(select n from rejoinder.nodes as n);
begin
    return json_build_object(
        'at', floor(extract(epoch from started) * 1000)::bigint,
        'arrivals', (
            -- Of the last ten seconds by the database's clock, and of no more than 2,000 calls.
            select json_build_object(
                       'calls', count(*),
                       'seconds', case when count(*) < 2000 then 10
                                       else greatest(extract(epoch from started - min(r.enqueued_at)), 0.001) end
                   )
              from (
                    select latest.enqueued_at
                      from rejoinder.received as latest
                     where latest.id >= rejoinder.id_at(started - interval '70 seconds')
                     order by latest.id desc
                     limit 2000
              ) as r
             where r.enqueued_at > started - interval '10 seconds'
        ),
        'nodes', (
            select coalesce(json_agg(n order by n.queued + n.running desc, n.node), '[]')
              from (
                    select known.node, known.queued, known.running, known.paused, known.waits, known.max_running,
                           known.max_per_second, known.workers,
                           floor(extract(epoch from known.oldest) * 1000)::bigint as oldest,
                           floor(extract(epoch from known.longest) * 1000)::bigint as longest
                      from unnest(nodes) as known
                     order by known.paused or num_nonnulls(known.max_running, known.max_per_second) > 0 desc,
                              known.queued + known.running desc, known.node
                     limit 100
              ) as n
        ),
        'total', (
            select json_build_object(
                       'nodes', count(*), 'queued', coalesce(sum(known.queued), 0), 'running', coalesce(sum(known.running), 0),
                       'oldest', floor(extract(epoch from max(known.oldest)) * 1000)::bigint
                   )
              from unnest(nodes) as known
        ),
        'workers', (
            select coalesce(json_agg(w order by w.id), '[]')
              from (
                    select p.id, p.name, p.host, p.pid, p.nodes, p.slots, p.busy, p.missing, p.draining, p.version,
                           floor(extract(epoch from p.heartbeat) * 1000)::bigint as heartbeat
                      from rejoinder.workers as p
                     order by p.id
                     limit 200
              ) as w
        ),
        'fleet', (
            select json_build_object(
                       'workers', count(*), 'slots', coalesce(sum(p.slots), 0), 'busy', coalesce(sum(p.busy), 0)
                   )
              from rejoinder.process as p
             where p.role = 'worker' and p.stopped_at is null
        ),
        'live', (
            select coalesce(json_agg(l), '[]')
              from (
                    select q.id, q.node, q.state, q.attempt, q.worker,
                           floor(extract(epoch from q.age) * 1000)::bigint as age,
                           floor(extract(epoch from q.time_left) * 1000)::bigint as time_left
                      -- Not by "age": each row's is by a clock of its own, and those of one enqueue come in any order.
                      from (
                            select waiting.id, waiting.enqueued_at, waiting.place
                              from rejoinder.live as waiting
                             order by waiting.enqueued_at, waiting.place
                             limit 12
                      ) as oldest
                     -- With a limit the view is asked for one row; without, it is read whole and joined.
                     cross join lateral (select * from rejoinder.queue where queue.id = oldest.id limit 1) as q
                     order by oldest.enqueued_at, oldest.place
              ) as l
        ),
        'snapshot', (
            select json_build_object(
                       'open_for', floor(extract(epoch from held.open_for) * 1000)::bigint, 'pid', held.pid,
                       'login', held.login, 'application', held.application, 'state', held.state
                   )
              from rejoinder.snapshots() as held
             limit 1
        ),
        'sees_snapshots', rejoinder.sees_snapshots(),
        'steered', (
            select coalesce(json_agg(a), '[]')
              from (
                    select did.actor, did.via, did.action, did.target,
                           floor(extract(epoch from did.at) * 1000)::bigint as at
                      from rejoinder.audit as did
                     order by did.id desc
                     limit 8
              ) as a
        ),
        'incidents', (
            select coalesce(json_agg(i), '[]')
              from (
                    select seen.about, seen.code, seen.nodes, seen.last_5_minutes as lately, seen.last_hour, seen.processes, seen.advice,
                           floor(extract(epoch from seen.last_at) * 1000)::bigint as last_at
                      from rejoinder.incidents as seen
                     limit 30
              ) as i
        ),
        'failures', (
            select coalesce(json_agg(f), '[]')
              from (
                    select o.id, o.node, o.state, o.attempt, o.code, left(o.error, 300) as error,
                           floor(extract(epoch from o.finished_at) * 1000)::bigint as finished
                      from rejoinder.outcome as o
                     where o.state <> 'answered' -- rides on outcome_unanswered
                     order by o.id desc
                     limit 12
              ) as f
        )
    );
end $$;

-- The calls that arrived in some minutes and have come to an end, by minute (since 1970), node, state, and for answered ones
-- time to the answer: "bucket" is floor(8 log2(milliseconds)), so that a percentile is right to within a tenth.
-- It reads at most 250 calls of each two seconds. Where there were more ("sampled") it counts them by their places in the
-- queue, which were given out one after the other.
--
-- With them come the calls that were refused before they were events, as 'refused', so far as they were meant for an endpoint:
-- what knocks at other paths, or is no HTTP, is no call. The few that were let in and then met a pause, or a database that
-- went away, count twice.
create function rejoinder.minutes(since timestamptz, until timestamptz)
returns table (minute integer, node text, state text, bucket integer, calls bigint, sampled boolean)
language plpgsql stable
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
#variable_conflict use_column
begin
    return query
    -- date_part() and not extract(): as a numeric it would take ten times as long.
    select floor(date_part('epoch', slice.starts) / 60)::integer, r.node, r.state::text, r.bucket,
           round(sum(case when r.seen < 250 then 1 else greatest(1, (ending.place - r.place_before + 1) / 250.0::float8) end))::bigint,
           bool_or(r.seen = 250 and ending.place - r.place_before >= 250)
      from (
            select s as starts, rejoinder.id_at(s) as first, rejoinder.id_at(s + interval '2 seconds') as last
              from generate_series(minutes.since, minutes.until - interval '1 second', interval '2 seconds') as s
      ) as slice
     cross join lateral (
        -- Of the last ones the lowest place: a call that was tried again has a later one.
        select min(latest.place) as place
          from (
                select outcome.place
                  from rejoinder.outcome
                 where outcome.id >= slice.first and outcome.id < slice.last
                 order by outcome.id desc
                 limit 5
          ) as latest
     ) as ending
     cross join lateral (
        select o.node, o.state,
               case when o.state = 'answered' then
                   floor(8 * ln(greatest(date_part('epoch', o.finished_at - o.enqueued_at) * 1000, 0.1)) / ln(2.0::float8))::integer
               end as bucket,
               count(*) over () as seen,
               min(o.place) over () as place_before
          from (
                select outcome.place, outcome.node, outcome.state, outcome.enqueued_at, outcome.finished_at
                  from rejoinder.outcome
                 where outcome.id >= slice.first and outcome.id < slice.last
                 order by outcome.id
                 limit 250
          ) as o
     ) as r
     group by 1, 2, 3, 4;
    return query
    select floor(date_part('epoch', i.minute) / 60)::integer, i.node, 'refused', null::integer, sum(i.number)::bigint, false
      from rejoinder.incident as i
     where i.minute >= minutes.since
       and i.minute < minutes.until
       and i.about = 'call'
       and i.code in (
           'signature', 'contract', 'content_type', 'empty_body', 'body_too_large', 'content_encoding', 'overloaded',
           'out_of_room', 'paused', 'database_away'
       )
     group by i.minute, i.node;
end $$;

-- One event, but for payload and answer; null where there is none.
create function rejoinder.sight(id uuid) returns json
language plpgsql stable as $$
#variable_conflict use_column
begin
    return (
        select json_build_object(
                   'id', e.id, 'node', e.node, 'endpoint', e.endpoint, 'state', e.state, 'attempt', e.attempt,
                   'code', e.code, 'error', left(e.error, 2000),
                   'time_left', floor(extract(epoch from e.deadline - clock_timestamp()) * 1000)::bigint
               )
          from rejoinder.event as e
         where e.id = sight.id
    );
end $$;

comment on function rejoinder.glance is 'What a dashboard shows of this moment.';
comment on function rejoinder.minutes is 'Finished and refused calls by minute of arrival, node, state and time, for a dashboard.';
comment on function rejoinder.sight is 'One event, but for payload and answer, for a dashboard.';
