-- What one sees from psql. No view shows a payload; \d+ explains each column.

create view rejoinder.queue as
select l.id,
       l.node,
       case when l.worker is null then 'queued' else 'running' end::rejoinder.state as state,
       date_trunc('milliseconds', clock_timestamp() - l.enqueued_at) as age,
       date_trunc('milliseconds', l.deadline - clock_timestamp()) as time_left,
       l.attempt,
       p.name || ' (' || l.worker || ')' as worker,
       l.endpoint
  from rejoinder.live as l
  left join rejoinder.process as p on p.id = l.worker
 order by l.place;
comment on view rejoinder.queue is 'The live events: queued or running, oldest place first.';
comment on column rejoinder.queue.id is 'The event''s id, a UUIDv7; takes cancel(id) and answer_by_hand(id, text).';
comment on column rejoinder.queue.node is 'The system name of the bot''s node that called.';
comment on column rejoinder.queue.state is 'queued: waits for a worker. running: a worker has claimed it.';
comment on column rejoinder.queue.age is 'Time since the event was enqueued.';
comment on column rejoinder.queue.time_left is 'Time until its deadline; negative when that has passed.';
comment on column rejoinder.queue.attempt is 'How often it has been claimed; 0 before the first claim.';
comment on column rejoinder.queue.worker is 'Name and id of the worker that runs it; see rejoinder.workers.';
comment on column rejoinder.queue.endpoint is 'The path that was called.';

create view rejoinder.recent as
select o.id,
       o.node,
       o.finished_at as finished,
       date_trunc('milliseconds', coalesce(o.claimed_at, o.finished_at) - o.enqueued_at) as waited,
       date_trunc('milliseconds', o.finished_at - o.claimed_at) as took,
       o.state,
       o.attempt,
       o.answer,
       o.code,
       -- An error's text may quote the payload: it is for those who may read that.
       case when has_table_privilege('rejoinder.received', 'select') then o.error end as error
  from rejoinder.outcome as o
 order by o.id desc;
comment on view rejoinder.recent is 'The finished events, newest first, for as long as they are kept. Put a limit on it.';
comment on column rejoinder.recent.id is 'The event''s id, a UUIDv7; takes retry(id) when it has no answer.';
comment on column rejoinder.recent.node is 'The system name of the bot''s node that called.';
comment on column rejoinder.recent.finished is 'When it came to its end.';
comment on column rejoinder.recent.waited is 'Time in the queue, up to the start of its last attempt.';
comment on column rejoinder.recent.took is 'Time from the start of its last attempt to its end; null when it was never claimed.';
comment on column rejoinder.recent.state is 'answered, failed, expired (its deadline passed) or cancelled (nobody waited any more).';
comment on column rejoinder.recent.attempt is 'How many attempts it took.';
comment on column rejoinder.recent.answer is 'The answer, as it was sent to Haptik.';
comment on column rejoinder.recent.code is 'Why there is no answer, in a word, or by_hand.';
comment on column rejoinder.recent.error is 'What the last failed attempt said, which may quote the payload; null for a reader.';

comment on view rejoinder.event is 'Every event that is kept, but for its payload, which is in rejoinder.received: where id = ''...''.';
comment on column rejoinder.event.id is 'The event''s id, a UUIDv7.';
comment on column rejoinder.event.place is 'Its last place in the queue; with the id, the token of a claim.';
comment on column rejoinder.event.state is 'queued, running, answered, failed, expired or cancelled.';
comment on column rejoinder.event.attempt is 'How often it has been claimed.';
comment on column rejoinder.event.max_attempts is 'How often it may be; null when it has come to its end.';
comment on column rejoinder.event.at_most_once is 'Whether it may be started once only, as far as it has been started.';
comment on column rejoinder.event.ingress is 'The process that received it.';
comment on column rejoinder.event.worker is 'The process that runs it, or ran its last attempt.';
comment on column rejoinder.event.received_at is 'When its ingress had its request''s head.';
comment on column rejoinder.event.enqueued_at is 'When it was enqueued.';
comment on column rejoinder.event.deadline is 'By when its caller must have a reply.';
comment on column rejoinder.event.claimed_at is 'When its last attempt started; null while it is queued, and when it was never claimed.';
comment on column rejoinder.event.handled_at is 'When the handler of its last attempt returned.';
comment on column rejoinder.event.finished_at is 'When it came to its end.';
comment on column rejoinder.event.handler_ms is 'How long that handler took, milliseconds.';
comment on column rejoinder.event.trace is 'The traceparent (W3C Trace Context) of the trace that it is part of, if it is in one.';
comment on column rejoinder.event.endpoint is 'The path that was called.';
comment on column rejoinder.event.node is 'The system name of the bot''s node that called.';
comment on column rejoinder.event.code is 'Why its last attempt failed or there is no answer, in a word, or by_hand.';
comment on column rejoinder.event.error is 'What the last failed attempt said, which may quote the payload; null for a reader.';
comment on column rejoinder.event.answer is 'The answer, as it was sent to Haptik.';

-- An event's life, a row for each step that it has come to: what an operator asks for first. Not inlined, and rare.
create function rejoinder.life(id uuid)
returns table (step text, at timestamptz, milliseconds double precision, "by" text, detail text)
language plpgsql stable as $$
#variable_conflict use_column
declare
    reply rejoinder.reply;
begin
    -- A standby has no unlogged tables.
    if not pg_is_in_recovery() then
        select r.* into reply from rejoinder.reply as r where r.id = life.id order by r.replied_at limit 1;
    end if;
    return query
    select taken.step, taken.at, round(extract(epoch from taken.at - e.received_at)::numeric * 1000, 3)::double precision,
           coalesce(
               p.name || ' (' || taken.process || ')',
               -- An operator's doing, which is on record at that moment.
               case when taken.number = 5 then (
                   select a.actor || ' (' || a.via || ')'
                     from rejoinder.audit as a
                    where a.target = life.id::text
                      and a.at between e.finished_at - interval '1 minute' and e.finished_at + interval '1 minute'
                      and a.action in ('cancel', 'answer_by_hand')
                    order by a.at desc
                    limit 1
               ) end
           ), taken.detail
      from rejoinder.event as e
     cross join lateral (values
        (1, 'received', e.received_at, e.ingress, 'at ' || e.endpoint || ' for ' || e.node),
        (2, 'enqueued', e.enqueued_at, e.ingress, null),
        (3, 'claimed', e.claimed_at, e.worker, 'attempt ' || e.attempt || coalesce(' of ' || e.max_attempts, '')),
        (4, 'handled', e.handled_at, e.worker, 'the handler took ' || round(e.handler_ms::numeric, 1) || ' ms'),
        (5, e.state::text, e.finished_at, case when e.handled_at is not null then e.worker end, e.code),
        (6, 'replied', reply.replied_at, reply.ingress, 'status ' || reply.status)
     ) as taken (number, step, at, process, detail)
      left join rejoinder.process as p on p.id = taken.process
     where e.id = life.id and taken.at is not null
     order by taken.at, taken.number;
end $$;
comment on function rejoinder.life is 'The steps of an event''s life: select * from rejoinder.life(''ID'').';

create view rejoinder.overview as
with live as (
    select l.node,
           count(*) filter (where l.worker is null) as queued,
           count(*) filter (where l.worker is not null) as running,
           clock_timestamp() - min(l.enqueued_at) as oldest
      from rejoinder.live as l
     group by l.node
), finished as (
    select o.node, o.state, o.finished_at > clock_timestamp() - interval '1 minute' as last_minute,
           extract(epoch from o.finished_at - o.enqueued_at) * 1000 as milliseconds
      from rejoinder.outcome as o
     where o.id >= rejoinder.id_at(statement_timestamp() - interval '1 hour') -- clock_timestamp() is no bound for an index
), counted as (
    select f.node,
           count(*) filter (where f.state = 'answered' and f.last_minute) as answered_minute,
           count(*) filter (where f.state = 'answered') as answered_hour,
           count(*) filter (where f.state = 'failed' and f.last_minute) as failed_minute,
           count(*) filter (where f.state = 'failed') as failed_hour,
           count(*) filter (where f.state = 'expired' and f.last_minute) as expired_minute,
           count(*) filter (where f.state = 'expired') as expired_hour,
           count(*) filter (where f.state = 'cancelled' and f.last_minute) as cancelled_minute,
           count(*) filter (where f.state = 'cancelled') as cancelled_hour,
           percentile_cont(array[0.5::float8, 0.95::float8, 0.99::float8]) within group (order by f.milliseconds)
               filter (where f.state = 'answered') as percentiles
      from finished as f
     group by f.node
)
select n.name as node,
       coalesce(l.queued, 0) as queued,
       coalesce(l.running, 0) as running,
       date_trunc('milliseconds', l.oldest) as oldest,
       coalesce(c.answered_minute, 0) as answered_minute,
       coalesce(c.answered_hour, 0) as answered_hour,
       coalesce(c.failed_minute, 0) as failed_minute,
       coalesce(c.failed_hour, 0) as failed_hour,
       coalesce(c.expired_minute, 0) as expired_minute,
       coalesce(c.expired_hour, 0) as expired_hour,
       coalesce(c.cancelled_minute, 0) as cancelled_minute,
       coalesce(c.cancelled_hour, 0) as cancelled_hour,
       round(c.percentiles[1]::numeric, 1) as p50_ms,
       round(c.percentiles[2]::numeric, 1) as p95_ms,
       round(c.percentiles[3]::numeric, 1) as p99_ms
  from rejoinder.node as n
  left join live as l on l.node = n.name
  left join counted as c on c.node = n.name
 order by n.name;
comment on view rejoinder.overview is 'A row per node: what waits and runs now, and what became of the last hour''s events. Reads the last hour.';
comment on column rejoinder.overview.node is 'The system name of the bot''s node.';
comment on column rejoinder.overview.queued is 'Events that wait for a worker now.';
comment on column rejoinder.overview.running is 'Events that a worker runs now.';
comment on column rejoinder.overview.oldest is 'Age of the oldest live event.';
comment on column rejoinder.overview.answered_minute is 'Answered in the last minute.';
comment on column rejoinder.overview.answered_hour is 'Answered in the last hour.';
comment on column rejoinder.overview.failed_minute is 'Failed (or refused by the handler) in the last minute.';
comment on column rejoinder.overview.failed_hour is 'Failed (or refused by the handler) in the last hour.';
comment on column rejoinder.overview.expired_minute is 'Expired in the last minute: no answer before the deadline.';
comment on column rejoinder.overview.expired_hour is 'Expired in the last hour: no answer before the deadline.';
comment on column rejoinder.overview.cancelled_minute is 'Cancelled in the last minute: nobody waited any more, no worker served it, or an operator''s doing.';
comment on column rejoinder.overview.cancelled_hour is 'Cancelled in the last hour, likewise.';
comment on column rejoinder.overview.p50_ms is 'Median time from enqueue to answer in the last hour, milliseconds.';
comment on column rejoinder.overview.p95_ms is '95th percentile of the same.';
comment on column rejoinder.overview.p99_ms is '99th percentile of the same.';

create view rejoinder.workers as
select p.id,
       p.name,
       p.host,
       p.pid,
       case
           when bool_or(l.nodes is null) then array['*']
           else array(
               select distinct n
                 from rejoinder.lane as served, unnest(served.nodes) as n
                where served.process = p.id
                order by n
           )
       end as nodes,
       p.slots,
       p.busy,
       date_trunc('milliseconds', clock_timestamp() - p.heartbeat_at) as heartbeat,
       p.missing_since is not null as missing,
       p.version,
       p.started_at,
       p.draining_at is not null as draining
  from rejoinder.process as p
  left join rejoinder.lane as l on l.process = p.id
 where p.role = 'worker' and p.stopped_at is null
 group by p.id
 order by p.id;
comment on view rejoinder.workers is 'The live worker processes.';
comment on column rejoinder.workers.id is 'The process''s id in the queue; also in rejoinder.queue.worker.';
comment on column rejoinder.workers.name is 'The worker''s name: its program, or what it was told.';
comment on column rejoinder.workers.host is 'The host it runs on.';
comment on column rejoinder.workers.pid is 'Its process id on that host.';
comment on column rejoinder.workers.nodes is 'The nodes that it serves; {*} when it serves any.';
comment on column rejoinder.workers.slots is 'How many events it handles at once.';
comment on column rejoinder.workers.busy is 'How many slots were in use at the last heartbeat.';
comment on column rejoinder.workers.heartbeat is 'Time since its last heartbeat; they come once a second, after 5 s it counts as dead.';
comment on column rejoinder.workers.missing is 'Its session is gone or its heartbeat late: it is being given up.';
comment on column rejoinder.workers.version is 'The version of Rejoinder that it was built with.';
comment on column rejoinder.workers.started_at is 'When it registered.';
comment on column rejoinder.workers.draining is 'An operator has told it to stop in order.';

create view rejoinder.nodes as
with live as (
    select l.node,
           count(*) filter (where l.worker is null) as queued,
           count(*) filter (where l.worker is not null) as running,
           clock_timestamp() - min(l.enqueued_at) filter (where l.worker is null) as oldest,
           clock_timestamp() - min(l.claimed_at) filter (where l.worker is not null) as longest
      from rejoinder.live as l
     group by l.node
), worker as (
    select p.id, l.nodes, l.excluding, l.slots
      from rejoinder.process as p
      join rejoinder.lane as l on l.process = p.id
     where p.role = 'worker' and p.stopped_at is null
), named as (
    select n.name from rejoinder.node as n
     union
    select u from worker as w cross join unnest(w.nodes) as u
)
select named.name as node,
       coalesce(l.queued, 0) as queued,
       coalesce(l.running, 0) as running,
       date_trunc('milliseconds', l.oldest) as oldest,
       date_trunc('milliseconds', l.longest) as longest,
       n.paused_at is not null as paused,
       coalesce(n.waits, false) as waits,
       n.paused_at,
       b.max_running,
       b.max_per_second,
       served.workers,
       served.slots,
       date_trunc('milliseconds', n.takes) as takes
  from named
  left join rejoinder.node as n on n.name = named.name
  left join rejoinder.node_limit as b on b.node = named.name
  left join live as l on l.node = named.name
 cross join lateral (
    select count(distinct w.id) as workers, coalesce(sum(w.slots), 0) as slots
      from worker as w
     where (w.nodes is null or named.name = any (w.nodes)) and (named.name = any (w.excluding)) is not true
 ) as served
 order by named.name;
comment on view rejoinder.nodes is 'A row per node: what waits and runs, whether it is paused or limited, and how many workers serve it.';
comment on column rejoinder.nodes.node is 'The system name of the bot''s node; takes pause(node), resume(node) and limit(node, running, per_second).';
comment on column rejoinder.nodes.queued is 'Events that wait for a worker now.';
comment on column rejoinder.nodes.running is 'Events that a worker runs now.';
comment on column rejoinder.nodes.oldest is 'Age of the oldest queued event.';
comment on column rejoinder.nodes.longest is 'For how long the longest of those that run has run.';
comment on column rejoinder.nodes.paused is 'Nothing of it is started.';
comment on column rejoinder.nodes.waits is 'Its callers wait while it is paused; else they are refused (503 paused).';
comment on column rejoinder.nodes.paused_at is 'Since when it is paused.';
comment on column rejoinder.nodes.max_running is 'How many of its events may run at once, over all workers; null is no limit.';
comment on column rejoinder.nodes.max_per_second is 'How many may start a second, over all workers; null is no limit.';
comment on column rejoinder.nodes.workers is 'The live workers that serve it.';
comment on column rejoinder.nodes.slots is 'How many events these handle at once, those of other nodes included.';
comment on column rejoinder.nodes.takes is 'Median time of a handler''s run in the last minutes.';

-- What an incident means, and what to do; null for one that a newer program counts.
create function rejoinder.advice(about text, code text) returns text
language sql immutable parallel safe as $$
    select case about || ' ' || code
        when 'call signature' then
            'Refused: signed with another secret than the ingress has. After a rotation give it both (secrets or secret_files in its file, then SIGHUP).'
        when 'call contract' then 'Refused: the body is not an event as Haptik sends it; the ingress''s log has no more, the response says what.'
        when 'call content_type' then 'Refused: the content type must be application/json.'
        when 'call empty_body' then 'Refused: the body is empty.'
        when 'call malformed_http' then 'Refused: the request is not valid HTTP.'
        when 'call not_found' then 'Refused: no endpoint has this path; see the setting endpoints.'
        when 'call method' then 'Refused: an endpoint takes POST.'
        when 'call timeout' then 'Refused: the request was not complete in time.'
        when 'call body_too_large' then 'Refused: the body is larger than the setting limit.body.'
        when 'call content_encoding' then 'Refused: the body must not be encoded.'
        when 'call head_too_large' then 'Refused: the request''s head is too large.'
        when 'call refused' then 'A handler refused the event: what the bot sent is not what it takes.'
        when 'call handler_failed' then 'A handler failed, and no attempt is left: select * from rejoinder.recent where state = ''failed'' limit 20'
        when 'call invalid_reply' then 'A handler''s reply is not valid: select * from rejoinder.recent where state <> ''answered'' and code = ''invalid_reply'' limit 20'
        when 'call worker_lost' then 'The event''s workers died, each attempt: select * from rejoinder.recent where state <> ''answered'' and code = ''worker_lost'' limit 20'
        when 'call cancelled' then 'An operator cancelled the event: select * from rejoinder.audit order by id desc limit 20'
        when 'call overloaded' then 'Refused: as many callers wait as may (limit.calls): add workers or slots.'
        when 'call out_of_room' then 'Refused: the bodies of those who wait take all the room (limit.bytes): add workers or slots.'
        when 'call no_worker' then 'No worker serves the node: start one that does, or correct the node''s name in the bot; select * from rejoinder.nodes'
        when 'call paused' then 'The node is paused: select rejoinder.resume(node)'
        when 'call database_away' then 'The database was away for longer than the setting database.wait.'
        when 'call no_reply' then 'The deadline came before an answer: too few slots, or a slow handler; see oldest and longest in rejoinder.nodes'
        when 'call hung_up' then 'The caller had gone before there was an answer.'
        when 'database connection_lost' then 'A connection to the database broke, and is made again when it is needed: the database, its pooler or the network.'
        when 'process worker_lost' then 'A worker died or hung, and its events were queued again: see its log; is its supervisor starting it anew?'
        when 'process ingress_lost' then 'An ingress died or hung, and its events were cancelled, since nobody waited for them: see its log.'
    end
$$;
comment on function rejoinder.advice is 'What an incident means, and what to do.';

create view rejoinder.incidents as
select i.about,
       i.code,
       string_agg(distinct nullif(i.node, ''), ', ') as nodes,
       coalesce(sum(i.number) filter (where i.minute > clock_timestamp() - interval '5 minutes'), 0) as last_5_minutes,
       sum(i.number) as last_hour,
       max(i.last_at) as last_at,
       string_agg(distinct coalesce(p.name || ' (' || p.id || ')', i.process::text), ', ') as processes,
       rejoinder.advice(i.about, i.code) as advice
  from rejoinder.incident as i
  left join rejoinder.process as p on p.id = i.process
 where i.minute > statement_timestamp() - interval '1 hour' -- rides on the primary key
 group by i.about, i.code
 order by max(i.last_at) desc;
comment on view rejoinder.incidents is 'What went wrong in the last hour, and what to do: calls without an answer by reason, lost connections, lost processes.';
comment on column rejoinder.incidents.about is 'call: a caller got no answer. database: of a process''s connection. process: one that died or hung.';
comment on column rejoinder.incidents.code is 'Why, in a word: of a call the problem''s code in its response.';
comment on column rejoinder.incidents.nodes is 'The nodes that were called, where they are known.';
comment on column rejoinder.incidents.last_5_minutes is 'How often in the last five minutes.';
comment on column rejoinder.incidents.last_hour is 'How often in the last hour.';
comment on column rejoinder.incidents.last_at is 'When for the last time.';
comment on column rejoinder.incidents.processes is 'The processes that it happened to, by name and id.';
comment on column rejoinder.incidents.advice is 'What it means, and what to do.';

-- The open transactions that hold back the database's cleaning up, oldest first; of two-phase ones that are prepared, "state"
-- says so, and "login" is their owner. What other logins do is only seen where the schema's owner is a member of
-- pg_read_all_stats: see sees_snapshots().
create function rejoinder.snapshots()
returns table (open_for interval, pid integer, login text, application text, state text)
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
        select date_trunc('milliseconds', clock_timestamp() - held.since), held.pid, held.login, held.application, held.state
          from (
                select a.xact_start as since, a.pid, a.usename::text as login, a.application_name as application, a.state
                  from pg_stat_activity as a
                 where a.datname = current_database()
                   and a.pid <> pg_backend_pid()
                   -- What vacuums holds nothing back, be it the server itself or a client.
                   and a.backend_type <> 'autovacuum worker'
                   and not exists (select from pg_stat_progress_vacuum as v where v.pid = a.pid)
                   and a.xact_start is not null
                   and (a.backend_xmin is not null or a.backend_xid is not null)
                union all
                select x.prepared, null, x.owner::text, x.gid, 'prepared'
                  from pg_prepared_xacts as x
                 where x.database = current_database()
          ) as held
         order by held.since;
end $$;
comment on function rejoinder.snapshots is 'The open transactions that hold back cleaning up, oldest first; end one by pg_terminate_backend(pid).';

-- Whether snapshots() sees the transactions of all logins, and not of the schema's owner alone.
create function rejoinder.sees_snapshots() returns boolean
language plpgsql stable as $$
begin
    return pg_has_role('pg_read_all_stats', 'usage');
end $$;
comment on function rejoinder.sees_snapshots is 'Whether snapshots() sees all logins'' transactions; else: grant pg_read_all_stats to the schema''s owner.';

-- The queue's vital figures, for metrics: a name, or a name and a label, of which node, and the value. A further row needs no
-- newer client. Nodes are those with live events, those that a worker names, and the 500 that were called last.
-- From where recover() last knew the live events to begin: the table keeps what was in the queue until it is vacuumed, and
-- each ingress asks every few seconds. (Read from end to end at 4,500 events a second it took 18 to 71 ms.)
create function rejoinder.vitals() returns table (metric text, node text, value double precision)
language plpgsql
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
#variable_conflict use_column
declare
    emptied constant bigint := (select w.emptied from rejoinder.watch as w);
begin
    return query
        with live as (
            select known.name, counted.queued, counted.running, counted.oldest
              from rejoinder.node as known
             cross join lateral (
                select count(*) filter (where l.worker is null) as queued,
                       count(*) filter (where l.worker is not null) as running,
                       extract(epoch from clock_timestamp() - min(l.enqueued_at) filter (where l.worker is null)) as oldest
                  from rejoinder.live as l
                 where l.node = known.name and l.place >= emptied
             ) as counted
             where counted.queued + counted.running > 0
        ), lane as (
            select l.process, l.nodes, l.excluding
              from rejoinder.lane as l
              join rejoinder.process as p on p.id = l.process
             where p.role = 'worker' and p.stopped_at is null and p.missing_since is null
        ), named as (
            (select n.name from rejoinder.node as n order by n.last_seen_at desc, n.name limit 500)
            union
            select live.name from live
            union
            select unnest(lane.nodes) from lane
            union
            select n.name from rejoinder.node as n where n.paused_at is not null
        ), known as (
            select named.name, live.queued, live.running, live.oldest, called.last_seen_at,
                   called.paused_at is not null as is_paused,
                   row_number() over (order by live.name is not null desc, called.last_seen_at desc nulls last, named.name) as rank
              from named
              left join live on live.name = named.name
              left join rejoinder.node as called on called.name = named.name
        )
        select figure.metric, known.name, figure.value::double precision
          from known
         cross join lateral (
            values
                ('rejoinder_queue_events state=queued', coalesce(known.queued, 0)),
                ('rejoinder_queue_events state=running', coalesce(known.running, 0)),
                ('rejoinder_queue_oldest_age_seconds', coalesce(known.oldest, 0)),
                ('rejoinder_node_paused', known.is_paused::integer),
                ('rejoinder_node_workers', (
                    select count(distinct lane.process)
                      from lane
                     where (lane.nodes is null or known.name = any (lane.nodes))
                       and (known.name = any (lane.excluding)) is not true
                ))
         ) as figure (metric, value)
         -- The first get labels of their own. Of the others, which share one, those that nobody calls any more need no workers.
         where figure.metric <> 'rejoinder_node_workers'
            or figure.value > 0
            or known.rank <= 100
            or known.queued is not null
            or known.last_seen_at > clock_timestamp() - interval '2 hours'
         order by known.rank;

    return query
        select 'rejoinder_workers', null::text, count(*)::double precision
          from rejoinder.process as p
         where p.role = 'worker' and p.stopped_at is null and p.missing_since is null;

    return query select 'rejoinder_notification_queue_ratio', null::text, pg_notification_queue_usage();

    return query
        select 'rejoinder_oldest_snapshot_age_seconds', null::text,
               coalesce(max(extract(epoch from held.open_for)), 0)::double precision
          from rejoinder.snapshots() as held
        -- What can't be seen is not 0. An old one that is seen counts all the same.
        having rejoinder.sees_snapshots() or max(held.open_for) > interval '1 minute';
end $$;
comment on function rejoinder.vitals is 'The queue''s figures for metrics: what waits and runs, its age, workers by node, old snapshots.';

comment on function rejoinder.enqueue is 'Inserts a batch of events; doing it again is harmless.';
comment on function rejoinder.claim is 'Takes queued events for a worker, oldest first.';
comment on function rejoinder.wake is 'Wakes idle workers for these nodes, unless an awake one will take them.';
comment on function rejoinder.pass_on is 'A full lane wakes another for what it leaves in the queue.';
comment on function rejoinder.attend is 'Says that a lane is eager, idle or full.';
comment on function rejoinder.store is 'Stores a batch of outcomes; accepts those whose claim is still the current one.';
comment on function rejoinder.answer is 'store(), for those who call settle() themselves.';
comment on procedure rejoinder.enqueue_and_wake is 'enqueue(), and when that has committed wake().';
comment on procedure rejoinder.answer_and_settle is 'store(), and when that is on the disk tell().';
comment on function rejoinder.tell is 'Notifies ingresses of what has come to an end.';
comment on function rejoinder.record is 'What an ingress is told of an event that has come to an end.';
comment on function rejoinder.settle is 'After answer(), in a transaction of its own: tells the ingresses what has become of their events.';
comment on function rejoinder.finish is 'Ends live events without an answer.';
comment on function rejoinder.results is 'What has become of these events, as far as they have come to an end.';
comment on function rejoinder.revive is 'Queues again what was cancelled because its ingress was taken for lost.';
comment on function rejoinder.held is 'The claims that a worker holds.';
comment on function rejoinder.release is 'Gives claimed events back untouched.';
comment on function rejoinder.replied is 'Notes which replies an ingress has written.';
comment on function rejoinder.abandon is 'Ends events that nobody waits for any more.';
comment on procedure rejoinder.abandon_and_tell is 'abandon(), and when that is as safe as it must be call_off().';
comment on function rejoinder.call_off is 'Tells workers to cancel the handlers of these events.';
comment on function rejoinder.recover is 'Finds dead processes, requeues or fails their events, expires what is too late.';
comment on function rejoinder.tidy is 'Makes partitions ahead, refreshes node.takes; returns how many it has made.';
comment on function rejoinder.drop_expired is 'Drops one partition older than the retention; 0 when there is none, or it is in use.';
comment on function rejoinder.cancel is 'For an operator: ends a queued or running event; its caller gets a bot break.';
comment on function rejoinder.retry is 'For an operator: queues an event again that ended without an answer.';
comment on function rejoinder.answer_by_hand is 'For an operator: answers a waiting caller, select rejoinder.answer_by_hand(id, ''text'').';
comment on function rejoinder.pause is 'For an operator: starts nothing of a node any more; callers get 503 paused, or wait: pause(''node'', true).';
comment on function rejoinder.resume is 'For an operator: ends a pause.';
comment on function rejoinder.limit is 'For an operator: how many events of a node run at once, and start a second; null: no limit.';
comment on function rejoinder.set_retention is 'For an operator: how long finished events are kept, payload included; dropped by whole days of UTC.';
comment on function rejoinder.drain is 'For an operator: lets a worker finish what it has, and exit.';
comment on function rejoinder.register is 'Registers a process on the session that stands for it.';
comment on function rejoinder.listen is 'Listens to what register() has told.';
comment on function rejoinder.deregister is 'Takes a process off in order.';
comment on function rejoinder.is_spare is 'Whether enough other idle lanes listen for a process''s to be spared that.';
comment on function rejoinder.heartbeat is 'Once a second by every process.';
comment on function rejoinder.note_incidents is 'Counts what went wrong in a process, for rejoinder.incidents.';
comment on function rejoinder.unserved is 'The nodes of a list that no live worker serves.';
comment on function rejoinder.high_water is 'The last place given out.';
comment on function rejoinder.id_at is 'The first UUIDv7 of an instant: where id >= rejoinder.id_at(now() - interval ''1 hour'').';

create view rejoinder.help as
select what, name, explanation
  from (
        select case c.relkind when 'v' then 1 else 2 end as part, case c.relkind when 'v' then 'view' else 'table' end as what,
               c.relname::text as name, obj_description(c.oid, 'pg_class') as explanation
          from pg_class as c
         where c.relnamespace = 'rejoinder'::regnamespace and c.relkind in ('v', 'r', 'p')
        union all
        select 3, case p.prokind when 'p' then 'procedure' else 'function' end,
               -- The long ones are no operator's; \df has them.
               p.proname || '(' || case when length(a.arguments) > 90 then '…' else a.arguments end || ')',
               obj_description(p.oid, 'pg_proc')
          from pg_proc as p
         cross join lateral (select pg_get_function_identity_arguments(p.oid) as arguments) as a
         where p.pronamespace = 'rejoinder'::regnamespace
       ) as entry
 where explanation is not null
 order by part, name;
comment on view rejoinder.help is 'Every view, function, and table of interest, one line each.';
comment on column rejoinder.help.what is 'view, table, function or procedure.';
comment on column rejoinder.help.name is 'Its name, with the arguments of a function; all are in the schema rejoinder.';
comment on column rejoinder.help.explanation is 'What it does.';
