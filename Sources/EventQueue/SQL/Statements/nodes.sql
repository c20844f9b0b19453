select node,
       queued,
       running,
       extract(epoch from oldest)::double precision as oldest,
       extract(epoch from longest)::double precision as longest,
       paused,
       waits,
       to_char(paused_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as paused_at,
       max_running,
       max_per_second,
       workers,
       slots,
       extract(epoch from takes)::double precision as takes
  from rejoinder.nodes
