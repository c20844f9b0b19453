-- $1 ingress, $2 ids, $3 microseconds since, $4 statuses
select rejoinder.replied($1, $2, $3, $4)
