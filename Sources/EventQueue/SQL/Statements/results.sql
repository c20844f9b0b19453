-- $1 ids
select id, state::text, attempt, code, answer, waited
  from rejoinder.results($1)
