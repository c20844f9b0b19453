-- The schema as a migration leaves it, on record, and as it is: so that what somebody has changed by hand is found, and can be
-- put back.

create table rejoinder.definition (
    kind       text    not null,
    name       text    not null,
    definition text    not null,
    server     integer not null,
    primary key (kind, name)
);
comment on table rejoinder.definition is 'The schema as the last migration left it. In psql: select definition from rejoinder.definition where name = ''…'' \gexec';
comment on column rejoinder.definition.definition is 'The statement that makes it so.';
comment on column rejoinder.definition.server is 'The major version of the PostgreSQL that wrote it down: each has its own spelling.';

-- What is in the schema now, each as the statement that makes it so, names in full. What should never be (an invalid index, a
-- disabled trigger, an unlogged table) is a kind of its own, so that it differs from any record. Partitions come and go, and are
-- left out; owners and storage options are the administrator's affair.
create function rejoinder.definitions() returns table (kind text, name text, definition text)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    with relation as (
        select c.*
          from pg_class as c
         where c.relnamespace = 'rejoinder'::regnamespace and not c.relispartition
    ), role as (
        select r.oid, r.rolname::text as name
          from pg_roles as r
         where r.rolname in ('rejoinder_ingress', 'rejoinder_worker', 'rejoinder_operator', 'rejoinder_reader')
        union all
        select 0::oid, 'public'
    ), granted (what, on_what, grantee) as (
        select lower(acl.privilege_type), 'schema rejoinder', acl.grantee
          from pg_namespace as n, aclexplode(n.nspacl) as acl
         where n.nspname = 'rejoinder'
        union all
        select lower(acl.privilege_type), 'routine ' || p.oid::regprocedure, acl.grantee
          from pg_proc as p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as acl
         where p.pronamespace = 'rejoinder'::regnamespace
        union all
        select lower(acl.privilege_type), case r.relkind when 'S' then 'sequence ' else '' end || r.oid::regclass, acl.grantee
          from relation as r, aclexplode(r.relacl) as acl
        union all
        select format('%s (%I)', lower(acl.privilege_type), a.attname), r.oid::regclass::text, acl.grantee
          from relation as r
          join pg_attribute as a on a.attrelid = r.oid, aclexplode(a.attacl) as acl
    )
    select case p.prokind when 'p' then 'procedure' else 'function' end, p.oid::regprocedure::text, pg_get_functiondef(p.oid)
      from pg_proc as p
     where p.pronamespace = 'rejoinder'::regnamespace and p.prokind in ('f', 'p')
    union all
    select 'view', r.oid::regclass::text, format('create or replace view %s as %s', r.oid::regclass, pg_get_viewdef(r.oid))
      from relation as r
     where r.relkind = 'v'
    union all
    select 'table', r.oid::regclass::text,
           format('alter table %s %s row level security', r.oid::regclass,
                  case when r.relrowsecurity then 'enable' else 'disable' end)
      from relation as r
     where r.relkind in ('r', 'p')
    union all
    select 'unlogged table', r.oid::regclass::text, format('alter table %s set unlogged', r.oid::regclass)
      from relation as r
     where r.relkind = 'r' and r.relpersistence = 'u'
    union all
    select 'column', format('%s.%I', r.oid::regclass, a.attname),
           format('alter table %1$s alter column %2$I type %3$s, alter column %2$I %4$s not null', r.oid::regclass, a.attname,
                  format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'set' else 'drop' end)
           || case
                  when a.attidentity <> '' then ''
                  when d.oid is null then format(', alter column %I drop default', a.attname)
                  else format(', alter column %I set default %s', a.attname, pg_get_expr(d.adbin, d.adrelid))
              end
      from relation as r
      join pg_attribute as a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef as d on d.adrelid = r.oid and d.adnum = a.attnum
     where r.relkind in ('r', 'p')
    union all
    select 'constraint', format('%s.%I', r.oid::regclass, k.conname),
           format('alter table %s add constraint %I %s', r.oid::regclass, k.conname, pg_get_constraintdef(k.oid))
      from relation as r
      join pg_constraint as k on k.conrelid = r.oid
     where k.contype in ('c', 'f', 'p', 'u', 'x')
    union all
    select 'index', i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
      from relation as r
      join pg_index as i on i.indrelid = r.oid
     where not exists (select from pg_constraint as k where k.conindid = i.indexrelid and k.conrelid = r.oid)
    union all
    select 'invalid index', c.oid::regclass::text, format('drop index %s', c.oid::regclass)
      from pg_class as c
      join pg_index as i on i.indexrelid = c.oid
     where c.relnamespace = 'rejoinder'::regnamespace and not (i.indisvalid and i.indisready)
    union all
    select 'trigger', format('%s.%I', r.oid::regclass, t.tgname), pg_get_triggerdef(t.oid)
      from relation as r
      join pg_trigger as t on t.tgrelid = r.oid
     where not t.tgisinternal
    union all
    select distinct 'disabled trigger', r.oid::regclass::text, format('alter table %s disable trigger all', r.oid::regclass)
      from relation as r
      join pg_trigger as t on t.tgrelid = r.oid
     where t.tgenabled not in ('O', 'A')
    union all
    select 'rule', format('%s.%I', r.oid::regclass, w.rulename), pg_get_ruledef(w.oid)
      from relation as r
      join pg_rewrite as w on w.ev_class = r.oid
     where w.rulename <> '_RETURN'
    union all
    select 'sequence', r.oid::regclass::text,
           format('alter sequence %s increment %s minvalue %s maxvalue %s cache %s %s', r.oid::regclass, s.seqincrement,
                  s.seqmin, s.seqmax, s.seqcache, case when s.seqcycle then 'cycle' else 'no cycle' end)
      from relation as r
      join pg_sequence as s on s.seqrelid = r.oid
    union all
    select 'type', t.oid::regtype::text,
           format('create type %s as enum (%s)', t.oid::regtype, string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder))
      from pg_type as t
      join pg_enum as e on e.enumtypid = t.oid
     where t.typnamespace = 'rejoinder'::regnamespace
     group by t.oid
    union all
    select 'grant', format('%s on %s to %s', g.what, g.on_what, r.name), format('grant %s on %s to %s', g.what, g.on_what, r.name)
      from granted as g
      join role as r on r.oid = g.grantee;
end $$;
comment on function rejoinder.definitions is 'What is in the schema now; rejoinder.definition says what should be.';

-- After a migration: puts on record what it has changed. "before" is what definitions() said before it, by kind and name, as md5:
-- what was different from the record already, and was left alone, stays so. Null, as after a change of PostgreSQL's major
-- version, puts all on record as it is.
create function rejoinder.record_definitions(before jsonb) returns void
language plpgsql
as $$
#variable_conflict use_column
declare
    major constant integer := current_setting('server_version_num')::integer / 10000;
    known constant jsonb := case
        when exists (select from rejoinder.definition as d where d.server = major) then before
    end;
begin
    delete from rejoinder.definition as d
     where (known is null or known ? (d.kind || ' ' || d.name))
       and not exists (select from rejoinder.definitions() as n where n.kind = d.kind and n.name = d.name);
    insert into rejoinder.definition (kind, name, definition, server)
    select n.kind, n.name, n.definition, major
      from rejoinder.definitions() as n
     where known ->> (n.kind || ' ' || n.name) is distinct from md5(n.definition)
        on conflict (kind, name) do update
       set definition = excluded.definition, server = excluded.server;
end $$;
comment on function rejoinder.record_definitions is 'After a migration: puts on record what it has changed.';
