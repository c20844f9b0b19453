-- Those of the queue, newest first. $1 state, $2 node, $3 received in the last so many seconds, $4 how many
  join rejoinder.queue as q on q.id = e.id
 where e.id >= rejoinder.id_at(statement_timestamp() - $3 * interval '1 second')
   and q.state::text = $1
   and ($2::text is null or q.node = $2)
 order by e.id desc
 limit $4
