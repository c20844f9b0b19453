-- $1 channel, as registered
select rejoinder.listen($1)
