-- $1 the event's id
select rejoinder.sight($1::text::uuid) as sight
