select id,
       name,
       host,
       pid,
       nodes,
       slots,
       busy,
       extract(epoch from heartbeat)::double precision as heartbeat,
       missing,
       draining,
       version,
       to_char(started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as started_at
  from rejoinder.workers
