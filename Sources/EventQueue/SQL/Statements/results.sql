-- $1 ids
select id, state::text, attempt, code, answer
  from rejoinder.results($1)
