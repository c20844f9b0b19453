-- What the planner knows of the larger tables, and when they were last cleaned up.
with tables as (
    select s.relname, s.n_live_tup as rows, s.n_mod_since_analyze as changes, s.n_dead_tup as dead,
           greatest(s.last_analyze, s.last_autoanalyze) as analyzed, greatest(s.last_vacuum, s.last_autovacuum) as vacuumed
      from pg_stat_user_tables as s
     where s.schemaname = 'rejoinder' and s.n_live_tup + s.n_dead_tup > 50000
), stale as (
    select t.*, format('rejoinder.%I', t.relname) as name, t.analyzed is null or t.changes > t.rows / 2 as is_unknown
      from tables as t
     where (t.analyzed is null or t.changes > t.rows / 2) and coalesce(t.analyzed, '-infinity') < clock_timestamp() - interval '1 hour'
        or t.dead > t.rows and coalesce(t.vacuumed, '-infinity') < clock_timestamp() - interval '1 hour'
)
select 'warning',
       format('%s: %s rows, analyzed %s, vacuumed %s, %s dead', s.name, s.rows,
              coalesce(to_char(s.analyzed, 'YYYY-MM-DD HH24:MI'), 'never'), coalesce(to_char(s.vacuumed, 'YYYY-MM-DD HH24:MI'), 'never'), s.dead),
       case when s.is_unknown then 'analyze ' || s.name else 'vacuum (analyze) ' || s.name end
  from stale as s
union all
select 'ok', coalesce('the larger tables were last analyzed ' || to_char(min(t.analyzed), 'YYYY-MM-DD HH24:MI'), 'no table is large yet'), null
  from tables as t
having not exists (select from stale)
