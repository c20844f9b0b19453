-- $1 worker, $2 nodes, $3 how many, $4 low-water mark, $5 excluded nodes, $6 most attempts, $7 at most once, $8 lane,
-- $9 attention, $10 milliseconds that it has waited, $11 whether to prove what is empty
select id, place, attempt, time_left, ingress, endpoint, node, payload, retry_in, trace, waited,
       emptied_below, ended_below, transaction
  from rejoinder.claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
