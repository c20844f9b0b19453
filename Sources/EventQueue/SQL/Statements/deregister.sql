-- $1 process
select rejoinder.deregister($1)
