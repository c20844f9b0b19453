-- An old snapshot keeps what was claimed and deleted since from being cleaned up.
with setting as (
    select pg_has_role('pg_read_all_stats', 'usage') as may_look
), old as (
    select a.pid, a.usename, a.state, clock_timestamp() - coalesce(a.xact_start, a.query_start, a.backend_start) as age
      from pg_stat_activity as a
     where (a.backend_xmin is not null or a.backend_xid is not null)
       and a.backend_type = 'client backend'
       and a.pid <> pg_backend_pid()
       and coalesce(a.xact_start, a.query_start) < clock_timestamp() - interval '1 minute'
     order by age desc
     limit 3
)
select case when o.age > interval '1 hour' then 'broken' else 'warning' end,
       format('a transaction of %s is open for %s (%s): nothing that ended since is cleaned up', o.usename, date_trunc('second', o.age), o.state),
       format('select pg_terminate_backend(%s)', o.pid)
  from old as o
 where (select may_look from setting)
union all
select case when s.may_look then 'ok' else 'skipped' end,
       case when s.may_look then 'no transaction is open for longer than a minute' else 'needs pg_monitor' end,
       case when not s.may_look then format('grant pg_monitor to %I', current_user) end
  from setting as s
 where not s.may_look or not exists (select from old)
union all
-- What metrics and the dashboard show of it is seen by the schema's owner.
select 'warning', format('the schema''s owner %s can''t see other logins'' transactions: metrics and dashboard don''t tell of a held snapshot', n.nspowner::regrole),
       format('grant pg_read_all_stats to %s', n.nspowner::regrole)
  from pg_namespace as n
 where n.nspname = 'rejoinder' and not pg_has_role(n.nspowner, 'pg_read_all_stats', 'usage')
