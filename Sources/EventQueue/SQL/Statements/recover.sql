-- $1 low-water mark
select requeued, cancelled, expired, emptied
  from rejoinder.recover($1)
