-- $1 nodes
select rejoinder.wake($1)
