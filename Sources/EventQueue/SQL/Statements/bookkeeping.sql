-- Where migrations are recorded. Run before them, each time.
create schema if not exists rejoinder;
comment on schema rejoinder is 'Rejoinder''s queue of events. Start with: select * from rejoinder.help';
create table if not exists rejoinder.migration (
    version    integer     primary key,
    name       text        not null,
    checksum   text        not null,
    applied_at timestamptz not null default clock_timestamp()
);
