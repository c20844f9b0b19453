-- $1 actor, $2 via, $3 event, $4 milliseconds left, $5 whether one that may be started once only is started again
with who as materialized (
    select set_config('rejoinder.actor', $1, true), set_config('rejoinder.via', $2, true)
)
select rejoinder.retry($3::text::uuid, $4 * interval '1 millisecond', $5)::text
  from who
