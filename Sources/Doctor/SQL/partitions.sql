-- tidy() makes the partitions of today and the two days after; what finds none goes into the default one. Its days are UTC's:
-- where the session's time zone changes the clocks, a day of it has 23 hours, or 25.
with day as (
    select p.parent, d.ahead,
           p.parent || '_' || to_char((clock_timestamp() at time zone 'UTC') + d.ahead * interval '1 day', 'YYYYMMDD') as name
      from (values ('received'), ('outcome'), ('reply')) as p (parent), generate_series(0, 2) as d (ahead)
), missing as (
    select d.*
      from day as d
     where not exists (
         select
           from pg_inherits as i
           join pg_class as c on c.oid = i.inhrelid
          where i.inhparent = to_regclass('rejoinder.' || d.parent) and c.relname = d.name
     )
), filled as (
    select c.relname, pg_relation_size(c.oid) as bytes
      from pg_class as c
     where c.oid in (to_regclass('rejoinder.received_default'), to_regclass('rejoinder.outcome_default'), to_regclass('rejoinder.reply_default'))
       and pg_relation_size(c.oid) > 0
)
select case when min(m.ahead) = 0 then 'broken' else 'warning' end,
       'partitions are missing: ' || string_agg(m.name, ', ' order by m.name),
       'select rejoinder.tidy()'
  from missing as m
having count(*) > 0
union all
select 'warning',
       format('rejoinder.%s holds %s: ids from a clock that is off, or days without their partition', f.relname, pg_size_pretty(f.bytes)),
       format('timedatectl set-ntp true # where the ingresses run; it empties after the retention, or: vacuum rejoinder.%s', f.relname)
  from filled as f
union all
select 'ok', 'those of today and two days ahead are there', null
 where not exists (select from missing) and not exists (select from filled)
