-- $1 process, $2 busy slots
select live, maintains, spare, draining, refused
  from rejoinder.heartbeat($1, $2)
