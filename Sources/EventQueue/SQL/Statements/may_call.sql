-- Whether this login may call a function of the schema. $1 its name
select exists (
    select
      from pg_proc as p
     where p.pronamespace = to_regnamespace('rejoinder')
       and p.proname = $1::text
       and has_function_privilege(p.oid, 'execute')
       and has_schema_privilege(p.pronamespace, 'usage')
)
