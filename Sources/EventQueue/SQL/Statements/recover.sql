-- $1 low-water mark, $2 whether to expire
select requeued, cancelled, expired, emptied
  from rejoinder.recover($1, $2)
