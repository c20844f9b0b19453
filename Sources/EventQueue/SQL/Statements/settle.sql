-- $1 ingresses, $2 ids, $3 nodes of what was queued again
select rejoinder.settle($1, $2, $3)
