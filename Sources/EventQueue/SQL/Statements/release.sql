-- $1 worker, $2 ids, $3 places
select rejoinder.release($1, $2, $3)
