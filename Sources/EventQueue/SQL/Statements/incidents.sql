select about,
       code,
       nodes,
       last_5_minutes,
       last_hour,
       to_char(last_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as last_at,
       processes,
       advice
  from rejoinder.incidents
