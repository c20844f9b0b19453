-- What differs from what the last migration put on record.
with this as (
    select current_setting('server_version_num')::integer / 10000 as major
), recorded as (
    select d.kind, d.name, d.definition
      from rejoinder.definition as d, this
     where d.server = this.major
), differing as (
    select coalesce(r.kind, n.kind) as kind, coalesce(r.name, n.name) as name, r.definition as was, n.definition as "is"
      from recorded as r
      full join rejoinder.definitions() as n on n.kind = r.kind and n.name = r.name
     where r.definition is distinct from n.definition and exists (select from recorded)
), told as (
    select d.*, split_part(d.name, '.', 1) || '.' || split_part(d.name, '.', 2) as on_table,
           -- A column that a view reads can't be given a type, not even its own.
           regexp_replace(d.was, ' alter column \S+? type .*?, alter column', ' alter column') as but_type,
           substring(d.was from ' type (.*?), alter column') as was_type,
           substring(d."is" from ' type (.*?), alter column') as is_type,
           format('select definition from rejoinder.definition where kind = %L and name = %L \gexec', d.kind, d.name) as restore
      from differing as d
)
select 'warning', 'nothing is on record for PostgreSQL ' || this.major || ': what was altered can''t be told', 'rejoinder migrate'
  from this
 where not exists (select from recorded)
union all
select 'ok', 'the ' || (select count(*) from recorded) || ' objects of the schema are as the last migration left them', null
 where exists (select from recorded) and not exists (select from differing)
union all
-- Faults: what is never on record.
select 'broken', case t.kind
           when 'invalid index' then 'index ' || t.name || ' is invalid'
           when 'disabled trigger' then 'triggers of ' || t.name || ' are disabled'
           else 'table ' || t.name || ' is unlogged: a crash of the database empties it'
       end,
       case t.kind
           when 'invalid index' then 'reindex index ' || t.name
           when 'disabled trigger' then format('alter table %s enable trigger all', t.name)
           else format('alter table %s set logged', t.name)
       end
  from told as t
 where t.kind in ('invalid index', 'disabled trigger', 'unlogged table')
union all
select case when t."is" is null or t.was is not null then 'broken' else 'warning' end,
       t.kind || ' ' || t.name || case
           when t."is" is null then ' is missing'
           when t.was is not null then ' was altered'
           else ' is not of this schema'
       end,
       case
           when t.kind = 'grant' and t."is" is null then 'rejoinder migrate'
           when t.kind = 'grant' then 'revoke' || substring(replace(t."is", ' to ', ' from ') from 6)
           when t.kind = 'column' and t."is" is null then format(
               'alter table %s add column %s %s; %s', t.on_table, split_part(t.name, '.', 3),
               t.was_type, t.but_type
           )
           when t.kind = 'column' and t.was is null then format(
               'alter table %s drop column %s', t.on_table, split_part(t.name, '.', 3)
           )
           when t.kind = 'column' and t.was_type = t.is_type then t.but_type
           when t.kind = 'column' then t.was
           when t.kind in ('constraint', 'trigger', 'rule') and t."is" is not null then concat_ws(
               '; ', case t.kind
                   when 'constraint' then format('alter table %s drop constraint %s', t.on_table, split_part(t.name, '.', 3))
                   else format('drop %s %s on %s', t.kind, split_part(t.name, '.', 3), t.on_table)
               end, t.was
           )
           when t.kind = 'index' and t."is" is not null then concat_ws('; ', 'drop index ' || t.name, t.was)
           when t.kind in ('function', 'procedure', 'view', 'sequence', 'table', 'type') and t.was is null
               then format('drop %s %s', t.kind, t.name)
           when t.kind in ('table', 'sequence', 'type') and t."is" is null
               then 'pg_restore --schema=rejoinder ... # from a backup: ' || t.name || ' is gone'
           when t.kind in ('function', 'procedure') and t."is" is null then t.restore || ' -- in psql, and then: rejoinder migrate'
           else t.restore || ' -- in psql, as the schema''s owner'
       end
  from told as t
 where t.kind not in ('invalid index', 'disabled trigger', 'unlogged table')
