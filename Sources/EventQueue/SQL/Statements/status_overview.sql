-- All as text, for a screen.
select node,
       queued::text as queued,
       running::text as running,
       coalesce(to_char(oldest, 'MI:SS.MS'), '') as oldest,
       answered_minute::text || ' / ' || answered_hour::text as "answered 1m / 1h",
       failed_minute::text || ' / ' || failed_hour::text as "failed 1m / 1h",
       expired_minute::text || ' / ' || expired_hour::text as "expired 1m / 1h",
       coalesce(p50_ms::text || ' / ' || p95_ms::text || ' / ' || p99_ms::text, '') as "p50 / p95 / p99 ms"
  from rejoinder.overview
