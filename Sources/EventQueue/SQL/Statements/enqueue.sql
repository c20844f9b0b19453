-- $1 ingress, $2 ids, $3 endpoints, $4 nodes, $5 milliseconds left, $6 payloads
select rejoinder.enqueue($1, $2, $3, $4, $5, $6)
