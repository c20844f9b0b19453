-- The tables of the queue. An event's life: queued -> running -> answered | failed, with
-- expired and cancelled reachable from both queued and running; failed attempts go back to queued.
--
-- Three tables share it, so that little is written for each step. "received" takes what came in and "outcome" how it ended:
-- rows that are inserted once, and never updated. In between an event has a narrow row in "live", which a claim updates in
-- place (no index has a changed column) and the end deletes. The view "event" shows the three as one. Measured with 600-byte events in batches of 200:
-- 53 us of the server's time each, against 102 us with one wide row that is updated twice.

create type rejoinder.state as enum ('queued', 'running', 'answered', 'failed', 'expired', 'cancelled');
comment on type rejoinder.state is
    'queued: waits for a worker. running: a worker has claimed it. answered: has its reply. failed: no attempt is left, or the handler refused it. expired: its deadline passed. cancelled: nobody waits for it any more.';

-- The order of the queue, and the token of a claim: an event gets a new place each time that it is
-- queued, and one place is claimed at most once, so (id, place) names one claim. No cache: a session
-- that hands out old places late would put events behind the workers' low-water marks.
create sequence rejoinder.place as bigint cache 1;

create table rejoinder.setting (
    only_row    boolean  primary key default true constraint setting_has_one_row check (only_row),
    retention   interval not null default '3 days' constraint retention_is_at_least_an_hour check (retention >= '1 hour')
);
insert into rejoinder.setting default values;
comment on table rejoinder.setting is 'Settings of the whole queue, in one row.';
comment on column rejoinder.setting.retention is 'How long finished events are kept, payload included. Dropped by whole days of UTC. Changed by set_retention(interval).';

-- Live and recently stopped processes. A live one's session holds the advisory lock ("alive", id). It lives by its heartbeat
-- alone behind a transaction pooler, where it has no session, and while an earlier session of it that the server has not given
-- up yet still has that lock. "instance" is a number that each has made up for itself.
create table rejoinder.process (
    id            integer     generated always as identity primary key,
    role          text        not null constraint process_role_is_known check (role in ('ingress', 'worker')),
    name          text        not null,
    host          text        not null,
    pid           integer     not null,
    instance      bigint,
    version       text        not null,
    slots         integer     not null default 0,
    busy          integer     not null default 0,
    started_at    timestamptz not null default clock_timestamp(),
    heartbeat_at  timestamptz not null default clock_timestamp(),
    maintains     boolean     not null default false,
    has_session   boolean     not null default true,
    holds_lock    boolean     not null default false,
    missing_since timestamptz,
    draining_at   timestamptz,
    stopped_at    timestamptz
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- Where each process listens, from its first registration on. Apart from what heartbeats change: beside a transaction that stays
-- open each look would step over all of them.
create table rejoinder.listener (
    process integer primary key references rejoinder.process (id) on delete cascade,
    channel text    not null
);

-- When a process was last heard of, and when one was again after a time in which none could be; and a place below which no
-- event was live 3 s before, but for one that was committed late.
create table rejoinder.watch (
    only_row   boolean     primary key default true constraint watch_has_one_row check (only_row),
    heard_at   timestamptz,
    resumed_at timestamptz not null default '-infinity',
    emptied    bigint      not null default 0
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
insert into rejoinder.watch default values;

-- A lane is a group of a worker's handlers that share slots and options; it claims, sleeps and is woken on its own.
create table rejoinder.lane (
    id           integer  generated always as identity primary key,
    process      integer  not null references rejoinder.process (id) on delete cascade,
    nodes        text[],
    excluding    text[],
    slots        integer  not null constraint lane_has_slots check (slots > 0),
    max_attempts smallint not null default 3,
    takes_grants boolean  not null default false,
    is_spare     boolean  not null default false
);
comment on column rejoinder.lane.nodes is 'The nodes that it serves; null serves every node except those in "excluding".';
comment on column rejoinder.lane.takes_grants is 'Whether its worker understands that it is handed events as they are enqueued.';
comment on column rejoinder.lane.is_spare is 'Enough others listen for it: it is neither woken nor handed anything, and only looks now and then.';

-- The nodes that were called within the retention or steered, how long their handlers usually take, and what an operator has
-- said of them.
create table rejoinder.node (
    name          text        primary key,
    takes         interval    not null default '0',
    first_seen_at timestamptz not null default clock_timestamp(),
    last_seen_at  timestamptz not null default clock_timestamp(),
    paused_at     timestamptz,
    waits         boolean     not null default false,
    is_limited    boolean     not null default false,
    retired_at    timestamptz
);
comment on column rejoinder.node.takes is 'Median time of a handler''s run in the last minutes: an event with less time left is not started.';
comment on column rejoinder.node.last_seen_at is 'When it was last called, to within an hour or so; longer ago where it is called seldom beside very many calls.';
comment on column rejoinder.node.paused_at is 'Since when nothing of it is started; null when it is not paused.';
comment on column rejoinder.node.waits is 'Whether callers wait while it is paused; else they are refused.';
comment on column rejoinder.node.retired_at is 'Since when it counts as unknown, and is about to go; null when it was called within the retention.';
comment on column rejoinder.node.is_limited is 'Whether rejoinder.node_limit has a row for it.';

create index node_paused on rejoinder.node (name) where paused_at is not null;

-- The nodes with a limit, over all workers. A claim of such a node holds its row, so that two never count at the same time.
create table rejoinder.node_limit (
    node           text             primary key references rejoinder.node (name) on delete cascade,
    max_running    integer          constraint max_running_is_positive check (max_running > 0),
    max_per_second double precision constraint max_per_second_is_positive check (max_per_second > 0),
    tokens         double precision not null default 1,
    refilled_at    timestamptz      not null default clock_timestamp(),
    lowest         bigint           not null default 0,
    lowest_seen    bigint           not null default 0,
    looks_at       timestamptz      not null default '-infinity',
    constraint node_limit_limits check (num_nonnulls(max_running, max_per_second) > 0)
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
comment on column rejoinder.node_limit.tokens is 'How many events might be started at "refilled_at".';
comment on column rejoinder.node_limit.lowest is 'A place below which nothing of the node is live, but for what was committed late.';
comment on column rejoinder.node_limit.lowest_seen is 'A place below which the last look at all of the node saw nothing live.';
comment on column rejoinder.node_limit.looks_at is 'When the next such look is due.';

-- What operators did.
create table rejoinder.audit (
    id     bigint      generated always as identity primary key,
    at     timestamptz not null default clock_timestamp(),
    actor  text        not null,
    via    text        not null,
    action text        not null,
    target text        not null,
    detail jsonb       not null default '{}'
);
comment on table rejoinder.audit is 'What operators did: a row for each call of a function that changes something. Kept for 90 days.';
comment on column rejoinder.audit.at is 'When it was done.';
comment on column rejoinder.audit.actor is 'Who did it: the setting rejoinder.actor, or the login.';
comment on column rejoinder.audit.via is 'By what: psql, cli or dashboard.';
comment on column rejoinder.audit.action is 'The function''s name.';
comment on column rejoinder.audit.target is 'The event, node or worker that it was done to.';
comment on column rejoinder.audit.detail is 'With what arguments, and the login where that is not the actor. No payload and no answer.';
create index audit_at on rejoinder.audit (at);

-- What goes wrong beside the events, counted by minute and the process that it happened to: what callers got instead of an
-- answer, lost connections, lost processes. What was refused at the door has no other trace in the database.
create table rejoinder.incident (
    minute  timestamptz not null,
    process integer     not null,
    about   text        not null,
    code    text        not null,
    node    text        not null default '',
    number  integer     not null,
    last_at timestamptz not null,
    primary key (minute, process, about, code, node)
);

-- What was received. Partitioned by the time inside its UUIDv7. The payload is the exact signed text: json, never jsonb.
create table rejoinder.received (
    id          uuid        not null primary key,
    received_at timestamptz not null default clock_timestamp(),
    enqueued_at timestamptz not null,
    deadline    timestamptz not null,
    ingress     integer,
    endpoint    text        not null,
    node        text        not null,
    trace       text,
    payload     json        not null
) partition by range (id);
comment on table rejoinder.received is 'What was received, payload included: select payload from rejoinder.received where id = ''ID''.';

-- The queue: events that are queued (no worker has them) or running. Narrow, and with room on each page for the claims of
-- all that are there (a claim makes a row somewhat longer).
create table rejoinder.live (
    id           uuid        not null constraint live_has_an_event_once unique,
    place        bigint      not null default nextval('rejoinder.place'),
    enqueued_at  timestamptz not null,
    deadline     timestamptz not null,
    claimed_at   timestamptz,
    ingress      integer,
    worker       integer,
    attempt      smallint    not null default 0,
    max_attempts smallint    not null default 3,
    at_most_once boolean     not null default false,
    endpoint     text        not null,
    node         text        not null,
    code         text,
    error        text
) with (
    fillfactor = 45, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_cost_delay = 0
);
comment on column rejoinder.live.worker is 'The process that runs it; null while it is queued.';
comment on column rejoinder.live.code is 'Why the last attempt failed, in a word.';

create index live_queue on rejoinder.live (node, place);

-- Else a publication of all tables would have every claim refused: it has no primary key.
alter table rejoinder.live replica identity using index live_has_an_event_once;

-- How events ended. Partitioned as "received" is.
create table rejoinder.outcome (
    id           uuid            not null primary key,
    place        bigint          not null,
    state        rejoinder.state not null,
    attempt      smallint        not null,
    ingress      integer,
    worker       integer,
    enqueued_at  timestamptz     not null,
    claimed_at   timestamptz,
    handled_at   timestamptz,
    finished_at  timestamptz     not null,
    handler_ms   real,
    node         text            not null,
    at_most_once boolean         not null default false,
    code         text,
    error        text,
    answer       json,
    constraint outcome_is_an_end check (state not in ('queued', 'running')),
    constraint answered_has_an_answer check (state <> 'answered' or answer is not null)
) partition by range (id);

-- When the ingress wrote which reply: the last step of an event's life, told afterwards and by the thousand. It is for those
-- who look, nothing hangs on it: a crash of the database empties it, and what an ingress had not told yet dies with it.
create table rejoinder.reply (
    id         uuid        not null,
    replied_at timestamptz not null,
    ingress    integer     not null,
    status     smallint    not null
) partition by range (id);

-- Ranges of the usual size, 1 MiB or some 17,000 replies: PostgreSQL keeps 256 requests for summaries until autovacuum comes, once a
-- minute, and complains in its log of each that it can't keep.
create index reply_id on rejoinder.reply using brin (id) with (autosummarize = on);

-- The latest that ended without an answer, for those who look for what is wrong. Answered events don't touch it.
create index outcome_unanswered on rejoinder.outcome (id) where state <> 'answered';

-- Ids from a clock that is days off land here, and are served all the same.
create table rejoinder.received_default partition of rejoinder.received default;
create table rejoinder.outcome_default partition of rejoinder.outcome default;
create unlogged table rejoinder.reply_default partition of rejoinder.reply default;

-- The three as one, but for the payload. To search by time: where id >= rejoinder.id_at(now() - interval '1 hour').
create view rejoinder.event as
select r.id,
       coalesce(l.place, o.place) as place,
       coalesce(o.state, case when l.worker is null then 'queued' else 'running' end::rejoinder.state) as state,
       coalesce(l.attempt, o.attempt) as attempt,
       l.max_attempts,
       coalesce(l.at_most_once, o.at_most_once) as at_most_once,
       r.ingress,
       coalesce(l.worker, o.worker) as worker,
       r.received_at,
       coalesce(l.enqueued_at, r.enqueued_at) as enqueued_at,
       coalesce(l.deadline, r.deadline) as deadline,
       coalesce(l.claimed_at, o.claimed_at) as claimed_at,
       o.handled_at,
       o.finished_at,
       o.handler_ms,
       r.endpoint,
       r.node,
       r.trace,
       coalesce(l.code, o.code) as code,
       -- An error's text may quote the payload: it is for those who may read that.
       case when has_table_privilege('rejoinder.received', 'select') then coalesce(l.error, o.error) end as error,
       o.answer
  from rejoinder.received as r
  left join rejoinder.live as l on l.id = r.id
  left join rejoinder.outcome as o on o.id = r.id;
