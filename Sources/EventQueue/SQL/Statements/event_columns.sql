-- What is said of an event, by each statement that goes on from here.
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
  from rejoinder.event as e
