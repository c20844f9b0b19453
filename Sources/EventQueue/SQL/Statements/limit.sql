-- $1 actor, $2 via, $3 node, $4 how many run at once, $5 how many start a second
with who as materialized (
    select set_config('rejoinder.actor', $1, true), set_config('rejoinder.via', $2, true)
)
select rejoinder.limit($3, $4, $5)
  from who
