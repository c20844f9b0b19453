-- $1 worker, $2 ids, $3 places, $4 outcomes, $5 answers, $6 codes, $7 errors, $8 microseconds since the handlers ended,
-- $9 microseconds that they took
call rejoinder.answer_and_settle($1, $2, $3, $4, $5, $6, $7, $8, $9, null, null, null)
