-- $1 actor, $2 via, $3 node, $4 whether callers wait
with who as materialized (
    select set_config('rejoinder.actor', $1, true), set_config('rejoinder.via', $2, true)
)
select rejoinder.pause($3, $4)
  from who
