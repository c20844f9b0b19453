-- $1 actor, $2 via, $3 worker
with who as materialized (
    select set_config('rejoinder.actor', $1, true), set_config('rejoinder.via', $2, true)
)
select rejoinder.drain($3)
  from who
