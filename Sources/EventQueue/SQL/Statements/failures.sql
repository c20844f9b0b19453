-- Newest first. $1 how many
select id::text as id,
       node,
       to_char(finished at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as finished,
       extract(epoch from waited)::double precision as waited,
       extract(epoch from took)::double precision as took,
       state::text as state,
       attempt,
       code,
       error
  from rejoinder.recent
 where state in ('failed', 'expired')
 limit $1
