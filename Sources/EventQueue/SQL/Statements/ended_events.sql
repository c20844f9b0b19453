-- Those that came to an end without an answer, newest first. $1 state, $2 node, $3 received in the last so many seconds,
-- $4 how many
with ended as (
    select r.id
      from rejoinder.recent as r
     where r.state <> 'answered' -- as the index that has those alone
       and r.state::text = $1
       and r.id >= rejoinder.id_at(clock_timestamp() - $3 * interval '1 second')
       and ($2::text is null or r.node = $2)
     order by r.id desc
     limit $4
)
select e.id::text as id,
       e.state::text as state,
       e.node,
       e.endpoint,
       e.attempt,
       e.max_attempts,
       e.at_most_once,
       e.ingress,
       e.worker,
       to_char(e.enqueued_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as enqueued_at,
       to_char(e.deadline at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as deadline,
       to_char(e.claimed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as claimed_at,
       to_char(e.finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as finished_at,
       e.code,
       e.error
  from ended
  join rejoinder.event as e on e.id = ended.id
 order by e.id desc
