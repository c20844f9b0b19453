-- The tables of the queue. An event's life: queued -> running -> answered | failed, with
-- expired and cancelled reachable from both queued and running; failed attempts go back to queued.

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
comment on column rejoinder.setting.retention is 'How long finished events are kept, payload included. Dropped by whole days.';

-- Live and recently stopped processes. A live one's session holds the advisory lock ("alive", id).
create table rejoinder.process (
    id            integer     generated always as identity primary key,
    role          text        not null constraint process_role_is_known check (role in ('ingress', 'worker')),
    name          text        not null,
    host          text        not null,
    pid           integer     not null,
    version       text        not null,
    slots         integer     not null default 0,
    busy          integer     not null default 0,
    started_at    timestamptz not null default clock_timestamp(),
    heartbeat_at  timestamptz not null default clock_timestamp(),
    maintains     boolean     not null default false,
    missing_since timestamptz,
    stopped_at    timestamptz
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- A lane is a group of a worker's handlers that share slots and options; it claims, sleeps and is woken on its own.
create table rejoinder.lane (
    id        integer generated always as identity primary key,
    process   integer not null references rejoinder.process (id) on delete cascade,
    nodes     text[],
    excluding text[],
    slots     integer not null constraint lane_has_slots check (slots > 0)
);
comment on column rejoinder.lane.nodes is 'The nodes that it serves; null serves every node except those in "excluding".';

-- The nodes that were ever called, and how long their handlers usually take.
create table rejoinder.node (
    name          text primary key,
    takes         interval not null default '0',
    first_seen_at timestamptz not null default clock_timestamp()
);
comment on column rejoinder.node.takes is 'Median time of a handler''s run in the last minutes: an event with less time left is not started.';

-- Partitioned by the time inside its UUIDv7. The payload is the exact signed text: json, never jsonb.
create table rejoinder.event (
    id           uuid             not null primary key,
    place        bigint           not null default nextval('rejoinder.place'),
    state        rejoinder.state  not null default 'queued',
    attempt      smallint         not null default 0,
    max_attempts smallint         not null default 3,
    at_most_once boolean          not null default false,
    ingress      integer,
    worker       integer,
    enqueued_at  timestamptz      not null default clock_timestamp(),
    deadline     timestamptz      not null,
    claimed_at   timestamptz,
    finished_at  timestamptz,
    endpoint     text             not null,
    node         text             not null,
    code         text,
    error        text,
    answer       json,
    payload      json             not null,
    constraint running_has_a_worker check (state <> 'running' or worker is not null),
    constraint answered_has_an_answer check (state <> 'answered' or answer is not null),
    constraint finished_has_its_time check ((finished_at is null) = (state in ('queued', 'running')))
) partition by range (id);

create index event_queued on rejoinder.event (node, place) where state = 'queued';
create index event_running on rejoinder.event (worker) where state = 'running';

-- Ids from a clock that is days off land here, and are served all the same.
create table rejoinder.event_default partition of rejoinder.event default;
