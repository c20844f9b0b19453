-- $1 process, $2 busy slots
select live, maintains, spare
  from rejoinder.heartbeat($1, $2)
