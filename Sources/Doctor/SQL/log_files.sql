-- A file of the write-ahead log that is not there yet is made while answers wait: zeros, and their flush. What a checkpoint has done
-- with is used again: as much as came between the last ones, at least min_wal_size, and with what has come since at most
-- max_wal_size. A small event makes 1.5 kB of it, as the benchmark measures.
with hour as (
    -- The places of its first and its last event say how many there were; to count them could take long.
    select (
               select e.place
                 from rejoinder.event as e
                where e.id >= rejoinder.id_at(statement_timestamp() - interval '1 hour')
                order by e.id
                limit 1
           ) as first,
           (
               select e.place
                 from rejoinder.event as e
                where e.id >= rejoinder.id_at(statement_timestamp() - interval '1 hour')
                order by e.id desc
                limit 1
           ) as last
), log as (
    select greatest(coalesce(h.last - h.first, 0), 0) / 3600.0 * 1500
               * extract(epoch from current_setting('checkpoint_timeout')::interval)::numeric as bytes
      from hour as h
), judged as (
    select l.bytes,
           l.bytes > pg_size_bytes(current_setting('min_wal_size')) or 2 * l.bytes > pg_size_bytes(current_setting('max_wal_size'))
               as is_short,
           (ceil(l.bytes / 268435456) * 256)::integer as megabytes
      from log as l
)
select case when j.is_short then 'warning' else 'ok' end,
       format('the last hour''s events make %s of log between two checkpoints, min_wal_size is %s and max_wal_size %s',
              pg_size_pretty(round(j.bytes)), current_setting('min_wal_size'), current_setting('max_wal_size'))
           || case when j.is_short then ': where its files run out, answers wait while others are made' else '' end,
       case when j.is_short then format(
           'alter system set max_wal_size = ''%sMB''; alter system set min_wal_size = ''%sMB''; select pg_reload_conf()',
           greatest(2 * j.megabytes, pg_size_bytes(current_setting('max_wal_size')) / 1048576),
           greatest(j.megabytes, pg_size_bytes(current_setting('min_wal_size')) / 1048576)
       ) end
  from judged as j
