-- $1 role, $2 name, $3 host, $4 pid, $5 version, $6 lanes, $7 earlier id, $8 has a session, $9 instance
select registered, lane_ids, channel
  from rejoinder.register($1, $2, $3, $4, $5, $6, $7, $8, $9)
