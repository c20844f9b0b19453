-- All as text, for a screen.
select id::text as id,
       name,
       host,
       pid::text as pid,
       array_to_string(nodes, ', ') as nodes,
       busy::text || ' / ' || slots::text as "busy / slots",
       to_char(heartbeat, 'SS.MS') || ' s' || case when missing then ' (missing)' else '' end as heartbeat
  from rejoinder.workers
