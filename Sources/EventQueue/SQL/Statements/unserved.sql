-- $1 nodes
select rejoinder.unserved($1)
