-- Newest first. $1 how many
select id,
       to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at,
       actor,
       via,
       action,
       target,
       detail
  from rejoinder.audit
 order by id desc
 limit $1
