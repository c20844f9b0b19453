-- $1 process, $2 busy slots
select live, maintains
  from rejoinder.heartbeat($1, $2)
