-- Payload and answer, which only an operator may see. $1 the event's id
select r.payload::text as payload, e.answer::text as answer
  from rejoinder.received as r
  join rejoinder.event as e on e.id = r.id
 where r.id = $1::text::uuid
