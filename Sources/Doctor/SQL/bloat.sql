-- "live" is small: a row for each event that is queued or runs, cleaned up all the time. Of the others those that are updated
-- have few rows; where an event's partition has dead ones, somebody deletes what goes with its partition. Where autovacuum alone
-- cleans up, it comes once a minute: what thousands of events a second leave behind until then, some 100 MB, is as it should be.
with live as (
    select s.n_live_tup as rows, s.n_dead_tup as dead, pg_relation_size(s.relid) as size, pg_indexes_size(s.relid) as indexes,
           -- A crash of the server takes what it knows of that, and of dead rows.
           clock_timestamp() - greatest(s.last_vacuum, s.last_autovacuum, pg_postmaster_start_time()) as unattended
      from pg_stat_user_tables as s
     where s.relid = 'rejoinder.live'::regclass
), judged as (
    select l.*,
           -- Rows that stay however often it is vacuumed are more than a minute's in the end.
           l.dead > 10 * l.rows and (l.dead > 1000000 or l.dead > 100000 and l.unattended > interval '3 minutes') as is_dirty,
           l.size > 256 << 20 and l.size > 2000 * (l.rows + 1) as is_large,
           l.indexes > 64 << 20 and l.indexes > 1000 * (l.rows + 1) as has_large_indexes
      from live as l
)
select case when j.is_dirty or j.is_large or j.has_large_indexes then 'warning' else 'ok' end,
       format('rejoinder.live: %s rows, %s dead, %s and %s of indexes', j.rows, j.dead, pg_size_pretty(j.size), pg_size_pretty(j.indexes)),
       case
           when j.is_dirty then 'vacuum (verbose, analyze) rejoinder.live -- if rows stay, see "snapshots"'
           when j.is_large then 'vacuum full rejoinder.live -- holds up calls while it runs, a second or so'
           when j.has_large_indexes then 'reindex table concurrently rejoinder.live'
       end
  from judged as j
union all
select 'warning', format('rejoinder.%s: %s rows, %s dead, %s', s.relname, s.n_live_tup, s.n_dead_tup, pg_size_pretty(pg_total_relation_size(s.relid))),
       format('vacuum (verbose, analyze) rejoinder.%I -- if rows stay, see "snapshots"', s.relname)
  from pg_stat_user_tables as s
 where s.schemaname = 'rejoinder' and s.relname <> 'live' and s.n_dead_tup > 100000 and s.n_dead_tup > s.n_live_tup
