-- Whether this login may vacuum the queue's table: it, or the database, belongs to it; since PostgreSQL 17 it can be granted.
select pg_has_role(c.relowner, 'usage')
       or pg_has_role(d.datdba, 'usage')
       or case when current_setting('server_version_num')::integer >= 170000 then has_table_privilege(c.oid, 'maintain') else false end
  from pg_class as c
  join pg_database as d on d.datname = current_database()
 where c.oid = 'rejoinder.live'::regclass
