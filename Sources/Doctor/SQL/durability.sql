-- A 200 is sent when its answer is on the disk: these must not be lied about.
with setting (name, value, verdict, risk) as (
    values ('fsync', current_setting('fsync'), 'broken', 'a crash of the host may lose answers that were sent, or the database'),
           ('full_page_writes', current_setting('full_page_writes'), 'broken', 'a crash of the host may corrupt the database')
), risky as (
    select * from setting where value = 'off'
), commits as (
    select current_setting('synchronous_commit') as value
)
select r.verdict, r.name || ' is off: ' || r.risk, format('alter system set %s = on; select pg_reload_conf()', r.name)
  from risky as r
union all
select 'warning', 'synchronous_commit is local for this login: a failover may lose answers that were sent',
       format('alter role %I reset synchronous_commit', current_user)
  from commits as c
 where c.value = 'local' and current_setting('synchronous_standby_names') <> ''
union all
select 'ok', 'fsync and full_page_writes are on; answers commit durably', null
 where not exists (select from risky)
