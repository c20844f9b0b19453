-- $1 low-water mark
select requeued, cancelled, expired
  from rejoinder.recover($1)
