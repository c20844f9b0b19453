-- $1 worker
select id, place
  from rejoinder.held($1)
