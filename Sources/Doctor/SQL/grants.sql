-- Which jobs this login can do: by the group roles that it is a member of, or by itself.
with job as (
    select j.name,
           to_regrole('rejoinder_' || j.name) as role,
           case
               when j.entry is null then has_table_privilege('rejoinder.queue', 'select')
               else exists (
                   select
                     from pg_proc as p
                    where p.pronamespace = 'rejoinder'::regnamespace
                      and p.proname = j.entry
                      and has_function_privilege(p.oid, 'execute')
               )
           end as can
      from (values ('ingress', 'enqueue'), ('worker', 'claim'), ('operator', 'cancel'), ('reader', null)) as j (name, entry)
), login as (
    select string_agg(j.name, ', ') filter (where j.can) as jobs,
           string_agg(j.role::text, ', ') filter (where pg_has_role(j.role, 'member')) as roles
      from job as j
)
select case when l.jobs is null then 'broken' else 'ok' end,
       format('login %I ', current_user)
           || coalesce('can do the job of ' || l.jobs, 'can do no job here')
           || coalesce('; is a member of ' || l.roles, '; is a member of no group role'),
       case when l.jobs is null then format('rejoinder grant %s ROLE', quote_ident(current_user)) end
  from login as l
union all
select 'broken', format('login %I is a member of %s, and can''t do that job', current_user, j.role), 'rejoinder migrate'
  from job as j
 where pg_has_role(j.role, 'usage') and not j.can
union all
select 'warning', format('there is no role rejoinder_%s: only the schema''s owner can do that job', j.name),
       format('create role rejoinder_%s nologin -- and then: rejoinder migrate', j.name)
  from job as j
 where j.role is null
