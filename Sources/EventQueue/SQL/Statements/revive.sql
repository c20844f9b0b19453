-- $1 ingress, $2 ids
select rejoinder.revive($1, $2)
