-- All as text, for a screen. $1 how many
select to_char(finished, 'YYYY-MM-DD HH24:MI:SS') as finished,
       id::text as id,
       node,
       state::text as state,
       attempt::text as attempt,
       coalesce(code, '') as code,
       coalesce(left(error, 60), '') as error
  from rejoinder.recent
 where state in ('failed', 'expired')
 limit $1
