select node,
       queued,
       running,
       extract(epoch from oldest)::double precision as oldest,
       answered_minute,
       answered_hour,
       failed_minute,
       failed_hour,
       expired_minute,
       expired_hour,
       p50_ms::double precision as p50_ms,
       p95_ms::double precision as p95_ms,
       p99_ms::double precision as p99_ms
  from rejoinder.overview
