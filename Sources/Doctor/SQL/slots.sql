-- A slot that nobody reads keeps the write-ahead log, and may hold the horizon.
with idle as (
    select s.slot_name, s.xmin is not null or s.catalog_xmin is not null as holds,
           case when not pg_is_in_recovery() then pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn) end as kept
      from pg_replication_slots as s
     where not s.active
)
select case when i.kept > 10::numeric * 1024 * 1024 * 1024 then 'broken' else 'warning' end,
       format('slot %I is read by nobody and keeps %s of write-ahead log%s', i.slot_name, pg_size_pretty(coalesce(i.kept, 0)),
              case when i.holds then ', and what ended since' else '' end),
       format('select pg_drop_replication_slot(%L) -- or start its standby', i.slot_name)
  from idle as i
union all
select 'ok', 'each is in use', null
 where not exists (select from idle)
