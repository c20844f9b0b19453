-- $1 lane, $2 attention
select rejoinder.attend($1, $2)
