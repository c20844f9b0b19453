-- $1 process, $2 what they are about, $3 codes, $4 nodes, $5 how often, $6 milliseconds since the last
select rejoinder.note_incidents($1, $2, $3, $4, $5, $6)
