-- $1 ids, $2 states, $3 codes
select id
  from rejoinder.abandon($1, $2::text[]::rejoinder.state[], $3)
