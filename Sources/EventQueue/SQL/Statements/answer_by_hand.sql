-- $1 actor, $2 via, $3 event, $4 message, $5 status
with who as materialized (
    select set_config('rejoinder.actor', $1, true), set_config('rejoinder.via', $2, true)
)
select rejoinder.answer_by_hand($3::text::uuid, $4, $5)::text
  from who
