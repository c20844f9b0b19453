-- Up to version 14, and in what was upgraded from there, every login may make functions in "public". What another login calls may
-- then be one of these, with that one's rights, where it fits better than PostgreSQL's own of the name (CVE-2018-1058).
with open as (
    select n.oid
      from pg_namespace as n
     where n.nspname = 'public' and has_schema_privilege('public', n.oid, 'create')
)
select 'warning', 'every login may make functions in the schema public, which others may call unawares',
       'revoke create on schema public from public'
  from open
union all
select 'ok', 'not every login may make functions in the schema public', null
 where not exists (select from open)
