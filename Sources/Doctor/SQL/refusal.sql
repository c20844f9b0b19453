-- The first of these views and functions that this login may not use, as PostgreSQL itself would say it. Of some views one may
-- see some columns only.
select format('permission denied for %s %s', case when c.oid is null then 'function' else 'view' end, u.name)
  from unnest($1::text[]) with ordinality as u (name, ordinal)
  left join pg_class as c on c.relnamespace = 'rejoinder'::regnamespace and c.relname = u.name
  left join pg_proc as p on p.pronamespace = 'rejoinder'::regnamespace and p.proname = u.name
 where not has_any_column_privilege(c.oid, 'select') or not has_function_privilege(p.oid, 'execute')
 order by u.ordinal
 limit 1
