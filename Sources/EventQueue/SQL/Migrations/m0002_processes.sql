-- Processes, and how one wakes another. Every transition is one function; Swift, psql and any other language are its
-- clients. Rules that hold throughout this schema:
-- * No transaction that notifies waits for the disk: NOTIFY holds a cluster-wide lock until its commit has flushed.
--   So functions that notify commit asynchronously, except for an operator's, which are rare: those wait for this server's disk,
--   and for no standby, which may be missing ('local').
-- * Only store() must be durable, the claim and the end of an at-most-once event, and a process's first registration. What
--   another commit may lose in a crash of the database, the ingress enqueues again.
-- * What runs as its caller, with his search_path, names pg_catalog where his own schemas could have a function or an operator that
--   fits better: for arguments of any type, or of two types.
-- * No function in language sql that isn't inlined: PostgreSQL before 18 parses and plans it anew at each call.
-- * The plans of the hot functions never depend on statistics: the table grows faster than it is analysed. So rows of "live"
--   are joined by "= any (array[id])" and "is not distinct from", which leave the planner no way but to look up each id: with
--   a plain "=", a session that first ran it while the queue was empty reads all of an index for each batch from then on. For
--   the same reason "(select true .. limit 1)" stands for "exists", which may be made a join.

-- The first UUIDv7 of an instant: the bound of a partition, and of a search by time.
create function rejoinder.id_at(instant timestamptz) returns uuid
language plpgsql immutable strict parallel safe as $$
begin
    return (lpad(to_hex((extract(epoch from instant)::numeric * 1000::numeric)::bigint), 12, '0') || '70008000000000000000')::uuid;
end $$;

-- The class of an advisory lock. Its second key is a process ("alive"), a lane ("eager", "idle"), or 0 for recovery and 1 for
-- partitions ("maintenance").
create function rejoinder.lock_class(name text) returns integer
language sql immutable strict parallel safe as $$
select case name
    when 'alive' then 1382678529
    when 'idle' then 1382678530
    when 'eager' then 1382678531
    when 'maintenance' then 1382678532
end $$;

-- Where a process listens: a name that nobody can guess, since PostgreSQL has no privilege for LISTEN and NOTIFY, and what is
-- notified holds payloads and answers. So it is nobody's to call but for the functions that notify. Where the process is not
-- known any more it is where nobody listens.
create function rejoinder.channel(process integer) returns text
language plpgsql as $$
begin
    return coalesce(
        (select l.channel from rejoinder.listener as l where l.process = channel.process), 'rejoinder_' || gen_random_uuid()
    );
end $$;

-- Listens to what register() has told. As a function, since a statement's text can be read by whoever monitors the server.
create function rejoinder.listen(channel text) returns void
language plpgsql as $$
begin
    execute format('listen %I', channel);
end $$;

-- How this transaction commits. A session's own stronger setting (remote_apply) is left alone.
create function rejoinder.commit_durably(durably boolean) returns void
language plpgsql as $$
declare
    nothing text;
begin
    if not durably then
        nothing := set_config('synchronous_commit', 'off', true);
    elsif current_setting('synchronous_commit') = 'off' then
        nothing := set_config('synchronous_commit', 'on', true);
    end if;
end $$;

-- ------------------------------------------------------------------------------------------------ waking

-- The nodes of a list that a lane does not serve.
create function rejoinder.without(list text[], nodes text[], excluding text[]) returns text[]
language plpgsql immutable parallel safe as $$
begin
    -- Mostly it serves them all, which operators alone can tell.
    if (nodes is null or nodes @> list) and not coalesce(excluding && list, false) then
        return '{}';
    end if;
    return array(
        select n from unnest(list) as n
         where (nodes is not null and n <> all (nodes)) or coalesce(n = any (excluding), false)
    );
end $$;

-- Whether a lane holds the lock of this class. It looks and lets go at once: kept until the end of a transaction that an
-- operator leaves open, it would hold up the lane itself. (The class is the caller's constant: of a variable lock_class() would
-- be planned anew at each call.)
create function rejoinder.has_attention(lane integer, class integer) returns boolean
language plpgsql as $$
declare
    nothing boolean;
begin
    if not pg_try_advisory_lock_shared(class, lane) then
        return true;
    end if;
    nothing := pg_advisory_unlock_shared(class, lane);
    return false;
end $$;

-- After an enqueue has committed, on a transaction of its own: sees to it that somebody claims each of these nodes.
-- An eager lane (awake, with a free slot) will claim again before it sleeps, so its nodes need nobody. Otherwise one
-- idle lane is notified; a lane that fills up wakes the next. Nothing is lost in between: a lane takes its "idle" lock
-- and then claims once more before it sleeps, so either the lock is seen here, or the event is seen there.
-- With "before_commit" this transaction has yet to commit what they are woken for, which takes its time: what a lane is may be
-- over by then, so that all that serve these nodes are notified.
create function rejoinder.wake(nodes text[], before_commit boolean default false) returns integer
language plpgsql as $$
#variable_conflict use_column
declare
    uncovered text[] := wake.nodes;
    lanes constant rejoinder.lane[] := array(select l from rejoinder.lane as l where not l.is_spare order by l.id);
    lane rejoinder.lane;
    left_over text[];
    woken integer := 0;
begin
    perform set_config('synchronous_commit', 'off', true);
    if before_commit then
        foreach lane in array lanes loop
            continue when rejoinder.without(nodes, lane.nodes, lane.excluding) = nodes;
            perform pg_notify(rejoinder.channel(lane.process), 'wake ' || lane.id);
            woken := woken + 1;
        end loop;
        return woken;
    end if;
    foreach lane in array lanes loop
        continue when not rejoinder.has_attention(lane.id, rejoinder.lock_class('eager'));
        uncovered := rejoinder.without(uncovered, lane.nodes, lane.excluding);
        if uncovered = '{}' then
            return 0;
        end if;
    end loop;
    foreach lane in array lanes loop
        left_over := rejoinder.without(uncovered, lane.nodes, lane.excluding);
        continue when left_over = uncovered or not rejoinder.has_attention(lane.id, rejoinder.lock_class('idle'));
        perform pg_notify(rejoinder.channel(lane.process), 'wake ' || lane.id);
        woken := woken + 1;
        uncovered := left_over;
        exit when uncovered = '{}';
    end loop;
    return woken;
end $$;

-- An idle lane that can be handed a few events of these nodes as they are enqueued, which spares it the claim: the first in
-- wake()'s order that serves them all. None where an eager lane will claim them; where the lane takes no grants, since its worker
-- may not understand them, and what may run once only needs a durable claim; where a node is new, paused or limited, or usually
-- takes longer than is left ("time_left", in milliseconds); where an event is too long for a notification, which has at most
-- 7,999 bytes, 160 of them for what grant_of() says besides; and none that may hang: its process has not beaten for two seconds.
create function rejoinder.idle_lane(nodes text[], time_left integer[], endpoints text[], payloads json[]) returns rejoinder.lane
language plpgsql as $$
#variable_conflict use_column
declare
    called constant text[] := nodes;
    lanes constant rejoinder.lane[] := array(select l from rejoinder.lane as l where not l.is_spare order by l.id);
    lane rejoinder.lane;
    idle rejoinder.lane;
begin
    foreach lane in array lanes loop
        continue when not lane.nodes && called or lane.excluding @> called;
        if not pg_try_advisory_xact_lock_shared(rejoinder.lock_class('eager'), lane.id) then
            return null;
        end if;
        if idle.id is null and lane.takes_grants
            and coalesce(lane.nodes @> called, true) and not coalesce(lane.excluding && called, false)
            and not pg_try_advisory_xact_lock_shared(rejoinder.lock_class('idle'), lane.id)
        then
            idle := lane;
        end if;
    end loop;
    if idle.id is null
        or exists (
            select from unnest(called, time_left) as u (node, time_left)
             where not exists (
                select from rejoinder.node as n
                 where n.name = u.node
                   and n.retired_at is null
                   and n.paused_at is null
                   and not n.is_limited
                   and n.takes <= u.time_left * interval '1 millisecond'
             )
        )
        or not exists (
            select from rejoinder.process as p
             where p.id = idle.process and p.heartbeat_at > clock_timestamp() - interval '2 seconds'
        )
    then
        return null;
    end if;
    -- All together are seldom too long for one. (Arguments are in memory, where nothing is compressed.)
    if pg_column_size(called) + pg_column_size(endpoints) + pg_column_size(payloads) > 7800
        and exists (
            select from unnest(called, endpoints, payloads) as u (node, endpoint, payload)
             where octet_length(u.node) + octet_length(u.endpoint) + octet_length(u.payload::text) > 7800
        )
    then
        return null;
    end if;
    return idle;
end $$;

-- A lane's attention, as session locks: 'eager' before it claims, 'idle' before its last look, 'full' when it has no slot
-- left, stops, or is spare. Whoever has found it idle and is about to hand it something is waited for, when it is idle no more:
-- idle_lane() keeps the "eager" lock until that has committed. To be called on the session that claims, which notes what it
-- holds as a setting: to unlock what is not held would leave a warning in the server's log. (Where a transaction fails the setting
-- is undone and the lock stays: the worker connects again.)
create function rejoinder.attend(lane integer, attention text) returns void
language plpgsql
as $$
declare
    setting constant text := 'rejoinder.lane_' || lane;
    held text := coalesce(nullif(current_setting(setting, true), ''), 'full');
begin
    if attention = held then
        return;
    end if;
    case attention
    when 'eager' then
        perform pg_advisory_lock(rejoinder.lock_class('eager'), lane);
    when 'idle' then
        perform pg_advisory_lock(rejoinder.lock_class('idle'), lane);
    when 'full' then
        if held = 'idle' then
            perform pg_advisory_lock(rejoinder.lock_class('eager'), lane);
            perform pg_advisory_unlock(rejoinder.lock_class('idle'), lane);
            held := 'eager';
        end if;
    end case;
    case held
    when 'eager' then
        perform pg_advisory_unlock(rejoinder.lock_class('eager'), lane);
    when 'idle' then
        perform pg_advisory_unlock(rejoinder.lock_class('idle'), lane);
    when 'full' then
        null;
    end case;
    perform set_config(setting, attention, false);
end $$;

-- Whether a lane of another process is eager for the same nodes.
create function rejoinder.is_covered(lane integer) returns boolean
language plpgsql as $$
#variable_conflict use_column
declare
    other integer;
begin
    for other in
        select l.id
          from rejoinder.lane as mine
          join rejoinder.lane as l on l.process <> mine.process
         where mine.id = is_covered.lane
           and l.nodes is not distinct from mine.nodes
           and l.excluding is not distinct from mine.excluding
         order by l.id
    loop
        if not pg_try_advisory_xact_lock_shared(rejoinder.lock_class('eager'), other) then
            return true;
        end if;
    end loop;
    return false;
end $$;

-- The nodes that a lane serves, by name.
create function rejoinder.nodes_served(nodes text[], excluding text[]) returns text[]
language plpgsql stable parallel safe as $$
begin
    if nodes is not null then
        return nodes;
    end if;
    return array(select n.name from rejoinder.node as n where (n.name = any (excluding)) is not true);
end $$;

-- A lane that has just become full wakes another for what it leaves in the queue, if it leaves anything.
create function rejoinder.pass_on(lane integer, after bigint default 0) returns integer
language plpgsql
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    left_over text[];
begin
    left_over := array(
        select n
          from rejoinder.lane as l
         cross join unnest(rejoinder.nodes_served(l.nodes, l.excluding)) as n
         where l.id = pass_on.lane
           and (
               select true from rejoinder.live as e
                where e.worker is null and e.node = n and e.place >= pass_on.after
                limit 1
           )
    );
    if left_over = '{}' then
        return 0;
    end if;
    return rejoinder.wake(left_over);
end $$;

-- What an ingress is told of an event that has come to an end: a record separator (RFC 7464: no JSON text holds one) and its
-- id, and if it has a short answer its attempt, how many milliseconds it waited for that (- when it was never claimed), and
-- the answer.
create function rejoinder.record(id uuid, attempt smallint, waited integer, answer json) returns text
language sql stable parallel safe as $$ -- as the cast of json is: were it immutable it would not be inlined
select case
    when octet_length(answer::text) <= 3700
        then E'\x1e' || id::text || ' ' || attempt::text || ' ' || coalesce(waited::text, '-') || ' ' || answer::text
    else E'\x1e' || id::text
end $$;

-- Notifies each of these ingresses of its records: 'done', and the records. A notification has at most 7,999 bytes: a record
-- at most 3,800, and a record goes with those that end in the same 4,000 bytes of them.
create function rejoinder.tell(ingresses integer[], records text[]) returns void
language plpgsql as $$
#variable_conflict use_column
declare
    first constant integer := ingresses[1];
    told record;
    channel text;
    nothing text;
begin
    -- Mostly they are for one, and short.
    if first is not null and array_remove(ingresses, first) = '{}' and octet_length(array_to_string(records, '')) <= 7900 then
        nothing := pg_notify(rejoinder.channel(first), 'done' || array_to_string(records, ''));
        return;
    end if;
    for told in
        select u.ingress, array_agg(u.record) as records, sum(octet_length(u.record)) as bytes
          from unnest(ingresses, records) as u (ingress, record)
         where u.ingress is not null
         group by u.ingress
    loop
        channel := rejoinder.channel(told.ingress);
        if told.bytes <= 7900 then
            perform pg_notify(channel, 'done' || array_to_string(told.records, ''));
        else
            perform pg_notify(channel, 'done' || string_agg(part.record, ''))
               from (
                    select u.record, (sum(octet_length(u.record)) over (rows unbounded preceding) - 1) / 4000 as number
                      from unnest(told.records) as u (record)
               ) as part
              group by part.number;
        end if;
    end loop;
end $$;

-- Tells each waiting ingress what has become of its events. A hint: whatever else an ingress wants to know of an event, or
-- has not heard, it reads by results().
-- To be called after the outcomes have committed, on a transaction of its own, but for rare ones, which commit
-- asynchronously with their notification.
create function rejoinder.settle(ids uuid[]) returns void
language plpgsql
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
    perform rejoinder.commit_durably(false);
    perform rejoinder.tell(array_agg(o.ingress), array_agg(o.record))
       from unnest(sorted) as wanted (id)
      cross join lateral (
         select outcome.ingress,
                rejoinder.record(
                    outcome.id, outcome.attempt,
                    (date_part('epoch', outcome.claimed_at - outcome.enqueued_at) * 1000)::integer, outcome.answer
                ) as record
           from rejoinder.outcome
          where outcome.id = wanted.id and outcome.id between first and last
          limit 1
      ) as o;
end $$;

-- ------------------------------------------------------------------------------------------------ processes

-- Registers a process on the session that stands for it: holds its "alive" lock for as long as the session lasts.
-- "lanes" is [{"nodes": [..] | null, "excluding": [..] | null, "slots": n, "max_attempts": n, "takes_grants": b}, ..]; their
-- ids come back in that order.
-- "channel" is where the process is to listen().
-- With the id of an earlier registration the process takes that up again, after a lost connection; also where that is lost, after
-- a failover to a standby that was behind: what it has claimed meanwhile is claimed under this id. Only where the id has been
-- given to another since, which "instance" tells, it gets a new one: a random number that no other process knows, since
-- whoever has both is told the channel. Without one it is a new process each time. Behind a transaction pooler there is no such
-- session: then it takes no lock, which would stay with whoever has the connection next.
create function rejoinder.register(
    role text, name text, host text, pid integer, version text, lanes jsonb default '[]', process integer default null,
    has_session boolean default true, instance bigint default null, out registered integer, out lane_ids integer[],
    out channel text
)
language plpgsql as $$
#variable_conflict use_column
declare
    all_slots constant integer := (select coalesce(sum((l ->> 'slots')::integer), 0) from jsonb_array_elements(lanes) as l);
    lane jsonb;
    lane_id integer;
begin
    update rejoinder.process as p
       set heartbeat_at = clock_timestamp(), missing_since = null, stopped_at = null, has_session = register.has_session
     where p.id = register.process and p.role = register.role and p.instance = register.instance
    returning p.id into registered;
    -- A crash must not have a new id given to another. One that is there is on the disk already. A standby is waited for in
    -- neither case: while one is missing, nobody's row may be locked for so long, and a process must be able to start.
    perform set_config('synchronous_commit', case when registered is null then 'local' else 'off' end, true);
    if registered is null and process is not null then
        insert into rejoinder.process (id, role, name, host, pid, instance, version, has_session, slots)
        overriding system value
        values (process, role, name, host, pid, instance, version, has_session, all_slots)
            on conflict do nothing
        returning id into registered;
    end if;
    -- The sequence may be behind such an id.
    while registered is null loop
        insert into rejoinder.process (role, name, host, pid, instance, version, has_session, slots)
        values (role, name, host, pid, instance, version, has_session, all_slots)
            on conflict do nothing
        returning id into registered;
    end loop;
    -- An old session of the same process may still hold it; heartbeat() tries again.
    update rejoinder.process as p
       set holds_lock = register.has_session and pg_try_advisory_lock(rejoinder.lock_class('alive'), registered)
     where p.id = registered;
    insert into rejoinder.listener as l (process, channel)
    values (registered, 'rejoinder_' || registered || '_' || replace(gen_random_uuid()::text, '-', ''))
        on conflict (process) do nothing;
    channel := (select l.channel from rejoinder.listener as l where l.process = registered);

    delete from rejoinder.lane as l where l.process = registered;
    lane_ids := '{}';
    for lane in select value from jsonb_array_elements(lanes) loop
        insert into rejoinder.lane (process, nodes, excluding, slots, max_attempts, takes_grants)
        values (
            registered,
            case when jsonb_typeof(lane -> 'nodes') = 'array'
                then array(select jsonb_array_elements_text(lane -> 'nodes')) end,
            case when jsonb_typeof(lane -> 'excluding') = 'array'
                then array(select jsonb_array_elements_text(lane -> 'excluding')) end,
            (lane ->> 'slots')::integer,
            coalesce((lane ->> 'max_attempts')::smallint, 3),
            coalesce((lane ->> 'takes_grants')::boolean, false)
        )
        returning id into lane_id;
        lane_ids := lane_ids || lane_id;
    end loop;
end $$;

-- Whether enough idle lanes of other processes listen before these: two for each, of 64 slots together, with the same nodes.
-- A notification wakes every session of the database that listens, whatever its channel (before PostgreSQL 19): measured,
-- 64 idle listeners cut the notifications from 27,000 a second to 2,000. So the first idle lanes listen, and the others
-- only look now and then.
create function rejoinder.is_spare(process integer) returns boolean
language plpgsql as $$
#variable_conflict use_column
declare
    mine rejoinder.lane;
    other record;
    listening integer;
    slots integer;
    are_enough boolean;
begin
    for mine in select l.* from rejoinder.lane as l where l.process = is_spare.process loop
        listening := 0;
        slots := 0;
        are_enough := false;
        for other in
            select l.id, l.slots
              from rejoinder.lane as l
             where l.id < mine.id
               and l.process <> mine.process
               and l.nodes is not distinct from mine.nodes
               and l.excluding is not distinct from mine.excluding
             order by l.id
        loop
            if not pg_try_advisory_xact_lock_shared(rejoinder.lock_class('idle'), other.id) then
                listening := listening + 1;
                slots := slots + other.slots;
                are_enough := listening >= 2 and slots >= 64;
                exit when are_enough;
            end if;
        end loop;
        if not are_enough then
            return false;
        end if;
    end loop;
    return found;
end $$;

-- Notes that a process is heard of, by a heartbeat or since it looks for the dead. Returns since when any could be: anew where
-- none was for 3 s, as during a restart or a failover, or while the server stood still.
create function rejoinder.hear(heard timestamptz) returns timestamptz
language plpgsql as $$
declare
    last timestamptz;
    since timestamptz;
begin
    select w.heard_at, w.resumed_at into last, since from rejoinder.watch as w;
    -- Or the clock was put back.
    if last not between heard - interval '3 seconds' and heard + interval '3 seconds' then
        since := heard;
    end if;
    if last is null or last not between heard - interval '400 milliseconds' and heard + interval '3 seconds' then
        -- Of several at the same moment one notes it.
        update rejoinder.watch as w
           set heard_at = heard, resumed_at = since
         where w.ctid = (select free.ctid from rejoinder.watch as free for update skip locked);
    end if;
    return since;
end $$;

-- Once a second, on the session that registered. "live" is false when the process was given up as dead (its events went
-- to others, it must register again); "maintains" says that it is to call recover(): it holds the maintenance lock, or
-- the one that holds it hangs; "spare" that its lanes need not listen while they are idle; "draining" that an operator wants
-- it to stop in order; "refused" are the nodes whose callers are not let in. A process without a session can't
-- hold that lock: where there are no others, all of them maintain, which is harmless.
create function rejoinder.heartbeat(
    process integer, busy integer, out live boolean, out maintains boolean, out spare boolean, out draining boolean,
    out refused text[]
)
language plpgsql as $$
#variable_conflict use_column
declare
    held boolean := false;
    locked boolean := false;
begin
    perform rejoinder.commit_durably(false);
    perform rejoinder.hear(clock_timestamp());
    if exists (select from rejoinder.process as p where p.id = heartbeat.process and p.stopped_at is null and p.has_session) then
        -- Both locks are the session's, and taken again where it already has them: the server only counts that.
        locked := pg_try_advisory_lock(rejoinder.lock_class('alive'), process);
        held := pg_try_advisory_lock(rejoinder.lock_class('maintenance'), 0);
    end if;
    update rejoinder.process as p
       set heartbeat_at = clock_timestamp(), missing_since = null, busy = heartbeat.busy, maintains = held, holds_lock = locked
     where p.id = heartbeat.process and p.stopped_at is null
    returning p.draining_at is not null into draining;
    live := found;
    maintains := live and (held or not exists (
        select from rejoinder.process as p
         where p.maintains and p.stopped_at is null and p.heartbeat_at > clock_timestamp() - interval '5 seconds'
    ));
    spare := busy = 0 and rejoinder.is_spare(process);
    update rejoinder.lane as l
       set is_spare = heartbeat.spare
     where l.process = heartbeat.process and l.is_spare <> heartbeat.spare;
    draining := coalesce(draining, false);
    refused := array(select n.name from rejoinder.node as n where n.paused_at is not null and not n.waits);
end $$;

-- Counts what went wrong in a process: how often, and how many milliseconds ago the last of them was. The node is empty where
-- it is about none, or none that is known.
create function rejoinder.note_incidents(
    process integer, about text[], codes text[], nodes text[], numbers integer[], ago integer[]
) returns void
language plpgsql as $$
#variable_conflict use_column
declare
    started constant timestamptz := clock_timestamp();
begin
    perform rejoinder.commit_durably(false);
    insert into rejoinder.incident as i (minute, process, about, code, node, number, last_at)
    select date_trunc('minute', u.at), note_incidents.process, u.about, u.code, u.node, sum(u.number), max(u.at)
      from (
            select n.about, n.code, n.node, n.number, started - n.ago * interval '1 millisecond' as at
              from unnest(about, codes, nodes, numbers, ago) as n (about, code, node, number, ago)
      ) as u
     group by date_trunc('minute', u.at), u.about, u.code, u.node
        on conflict (minute, process, about, code, node) do update
       set number = i.number + excluded.number, last_at = greatest(i.last_at, excluded.last_at);
end $$;

-- The nodes of a list that no live lane serves, but for those that are paused: their workers may well be away.
create function rejoinder.unserved(nodes text[]) returns text[]
language plpgsql stable parallel safe as $$
begin
    return array(
        select distinct n
          from unnest(nodes) as n
         where not exists (
            select from rejoinder.lane as l
             where (l.nodes is null or n = any (l.nodes)) and (n = any (l.excluding)) is not true
         )
           and not exists (select from rejoinder.node as known where known.name = n and known.paused_at is not null)
    );
end $$;
