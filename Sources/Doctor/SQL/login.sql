-- Settings that this login has, and that get in the queue's way. On a connection that has set none itself.
with setting (name, value, verdict, risk) as (
    select s.name, s.setting, r.verdict, r.risk
      from pg_settings as s
      join (values
          ('statement_timeout', 'warning', 'by way of a pooler, statements are cut off'),
          ('lock_timeout', 'warning', 'statements fail where they should wait'),
          ('idle_in_transaction_session_timeout', 'warning', 'by way of a pooler, transactions are cut off'),
          ('transaction_timeout', 'warning', 'transactions are cut off'),
          ('idle_session_timeout', 'broken', 'idle sessions are ended, and with them LISTEN and locks')
      ) as r (name, verdict, risk) on r.name = s.name
     where s.setting <> '0' and (s.name = 'idle_session_timeout' or case when s.setting ~ '^\d+$' then s.setting::bigint end < 8000)
    union all
    select 'default_transaction_read_only', 'on', 'broken', 'nothing can be enqueued'
     where current_setting('default_transaction_read_only') = 'on' and not pg_is_in_recovery()
    union all
    select 'default_transaction_isolation', current_setting('default_transaction_isolation'), 'warning',
           'claims fail that should step over each other'
     where current_setting('default_transaction_isolation') in ('repeatable read', 'serializable')
)
select s.verdict,
       format('%s is %s for login %I: %s', s.name, s.value || case when s.value ~ '^\d+$' then ' ms' else '' end, current_user, s.risk),
       format('alter role %I set %s = %s', current_user, s.name, case
           when s.value ~ '^\d+$' then '0' when s.name like '%isolation' then '''read committed''' else 'off'
       end)
  from setting as s
union all
select 'ok', 'no timeout gets in the way', null
 where not exists (select from setting)
