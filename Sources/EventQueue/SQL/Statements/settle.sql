-- $1 ingress, $2 ids, at most 200
select rejoinder.settle($1, $2)
