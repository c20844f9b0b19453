-- $1 actor, $2 via, $3 node
with who as materialized (
    select set_config('rejoinder.actor', $1, true), set_config('rejoinder.via', $2, true)
)
select rejoinder.resume($3)
  from who
