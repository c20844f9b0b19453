-- Those that came to an end without an answer, newest first. $1 state, $2 node, $3 received in the last so many seconds,
-- $4 how many
  join (
    select r.id
      from rejoinder.recent as r
     where r.state <> 'answered' -- as the index that has those alone
       and r.state::text = $1
       and r.id >= rejoinder.id_at(statement_timestamp() - $3 * interval '1 second')
       and ($2::text is null or r.node = $2)
     order by r.id desc
     limit $4
  ) as ended on ended.id = e.id
 order by e.id desc
