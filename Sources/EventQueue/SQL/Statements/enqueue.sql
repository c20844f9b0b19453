-- $1 ingress, $2 ids, $3 endpoints, $4 nodes, $5 milliseconds left, $6 payloads, $7 microseconds since they were received,
-- $8 traces
call rejoinder.enqueue_and_wake($1, $2, $3, $4, $5, $6, $7, $8)
