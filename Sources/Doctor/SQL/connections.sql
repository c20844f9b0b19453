-- Each live process (it holds a lock) has up to 4 connections, and in a rolling restart as many again; a dashboard that is used
-- has 4 more.
with this as (
    select current_setting('max_connections')::integer as most,
           current_setting('superuser_reserved_connections')::integer
               + coalesce(current_setting('reserved_connections', true)::integer, 0) as reserved,
           (select sum(numbackends) from pg_stat_database)::integer as used,
           (
               select count(*)
                 from pg_locks as l
                 join pg_database as d on d.oid = l.database
                where l.locktype = 'advisory' and l.classid = 1382678529 and d.datname = current_database()
           )::integer as processes,
           (select rolconnlimit from pg_roles where rolname = current_user) as of_login
), room as (
    select t.*, t.most - t.reserved - t.used as free, 4 + greatest(4, 4 * t.processes) as wanted from this as t
)
select case when r.free < 4 then 'broken' when r.free < r.wanted then 'warning' else 'ok' end,
       format('%s of %s are used, %s reserved; %s processes and a dashboard may need %s more in a rolling restart',
              r.used, r.most, r.reserved, r.processes, r.wanted),
       case when r.free < r.wanted then format(
           'alter system set max_connections = %s -- and restart PostgreSQL', r.most + r.wanted - r.free + 20
       ) end
  from room as r
union all
select 'warning', format('login %I may have %s connections: 8 are needed for each process, a rolling restart included', current_user, r.of_login),
       format('alter role %I connection limit -1', current_user)
  from room as r
 where r.of_login between 0 and 7
