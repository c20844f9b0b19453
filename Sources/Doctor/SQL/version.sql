-- Rejoinder is made for PostgreSQL 13 to 18.
select case when v.major between 13 and 18 then 'ok' when v.major > 18 then 'warning' else 'broken' end,
       'PostgreSQL ' || current_setting('server_version')
           || case when v.major between 13 and 18 then '' else ': 13 to 18 are supported' end,
       case
           when v.major > 18 then 'rejoinder --version # a later release may support PostgreSQL ' || v.major
           when v.major < 13 then 'pg_upgrade # to PostgreSQL 13 or later'
       end
  from (select current_setting('server_version_num')::integer / 10000 as major) as v
