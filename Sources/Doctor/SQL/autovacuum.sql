-- Without it, what was deleted stays for ever.
with off (what, remedy) as (
    select 'autovacuum is off', 'alter system set autovacuum = on; select pg_reload_conf()'
     where current_setting('autovacuum') = 'off'
    union all
    select 'track_counts is off, so that autovacuum does nothing', 'alter system set track_counts = on; select pg_reload_conf()'
     where current_setting('track_counts') = 'off'
    union all
    select format('autovacuum is off for rejoinder.%I', c.relname), format('alter table rejoinder.%I reset (autovacuum_enabled)', c.relname)
      from pg_class as c, pg_options_to_table(c.reloptions) as o
     where c.relnamespace = to_regnamespace('rejoinder') and o.option_name = 'autovacuum_enabled' and o.option_value in ('off', 'false', 'no', '0')
)
select 'broken', o.what || ': the queue gets slower and slower', o.remedy
  from off as o
union all
select 'ok', 'autovacuum is on', null
 where not exists (select from off)
