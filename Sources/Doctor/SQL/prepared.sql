-- A prepared transaction that nobody ends holds the horizon for ever.
with old as (
    select p.gid, clock_timestamp() - p.prepared as age
      from pg_prepared_xacts as p
     where p.prepared < clock_timestamp() - interval '1 minute' and p.database = current_database()
)
select case when o.age > interval '1 hour' then 'broken' else 'warning' end,
       format('%s is prepared for %s: nothing that ended since is cleaned up', quote_literal(o.gid), date_trunc('second', o.age)),
       format('rollback prepared %L', o.gid)
  from old as o
union all
select 'ok', 'none is older than a minute', null
 where not exists (select from old)
