-- $1 event
select step,
       to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at,
       milliseconds::double precision as milliseconds,
       "by",
       detail::text as detail
  from rejoinder.life($1::text::uuid)
