-- $1 lane, $2 low-water mark
select rejoinder.pass_on($1, $2)
