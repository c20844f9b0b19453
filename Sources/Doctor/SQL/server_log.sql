-- Payloads and answers are bound to their statements: a server that logs these with what is bound to them has them in its log.
with logged as (
    -- What "mod" logs has neither: they are bound to calls of functions and procedures.
    select 'log_statement is all' as why
     where current_setting('log_statement') = 'all'
    union all
    select 'log_min_duration_statement is ' || current_setting('log_min_duration_statement')
     where current_setting('log_min_duration_statement') <> '-1'
    union all
    select 'log_min_duration_sample is ' || current_setting('log_min_duration_sample')
     where current_setting('log_min_duration_sample') <> '-1' and current_setting('log_statement_sample_rate')::float8 > 0
    union all
    select 'log_transaction_sample_rate is ' || current_setting('log_transaction_sample_rate')
     where current_setting('log_transaction_sample_rate')::float8 > 0
), leak as (
    select 'log_parameter_max_length' as name, string_agg(l.why, ', ') as why
      from logged as l
    having count(*) > 0
    union all
    select 'log_parameter_max_length_on_error', 'statements that fail are logged'
)
select 'warning',
       format('payloads and answers get into PostgreSQL''s log: %s, and %s is %s', l.why, l.name, current_setting(l.name)),
       format('alter system set %s = 0; select pg_reload_conf()', l.name)
  from leak as l
 where current_setting(l.name) <> '0'
union all
select 'ok', 'payloads and answers stay out of PostgreSQL''s log', null
 where not exists (select from leak as l where current_setting(l.name) <> '0')
