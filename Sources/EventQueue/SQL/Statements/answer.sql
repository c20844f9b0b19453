-- $1 worker, $2 ids, $3 places, $4 outcomes, $5 answers, $6 codes, $7 errors
call rejoinder.answer_and_settle($1, $2, $3, $4, $5, $6, $7, null, null, null)
