-- $1 event
 where e.id = $1::text::uuid
