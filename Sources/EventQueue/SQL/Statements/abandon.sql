-- $1 ids, $2 states, $3 codes
call rejoinder.abandon_and_tell($1, $2::text[]::rejoinder.state[], $3, null)
