-- $1 actor, $2 via, $3 event
with who as materialized (
    select set_config('rejoinder.actor', $1, true), set_config('rejoinder.via', $2, true)
)
select rejoinder.cancel($3::text::uuid)::text
  from who
