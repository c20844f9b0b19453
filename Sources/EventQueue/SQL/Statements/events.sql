-- Newest first. $1 state, $2 node, $3 received in the last so many seconds, $4 how many
 where e.id >= rejoinder.id_at(statement_timestamp() - $3 * interval '1 second')
   and ($1::text is null or e.state::text = $1)
   and ($2::text is null or e.node = $2)
 order by e.id desc
 limit $4
