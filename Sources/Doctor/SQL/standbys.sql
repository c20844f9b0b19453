-- Every durable commit waits for as many standbys as synchronous_standby_names asks for: with too few, until a time limit cuts the wait short.
with setting as (
    select current_setting('synchronous_standby_names') as names, pg_has_role('pg_read_all_stats', 'usage') as may_look
), needed as (
    select coalesce(substring(names from '^\s*(?:first|any|FIRST|ANY|First|Any)?\s*(\d+)\s*\(')::integer, 1) as standbys from setting
), live as (
    select count(*) filter (where sync_state in ('sync', 'quorum') and state = 'streaming') as standbys from pg_stat_replication
)
select case
           when s.names = '' then 'ok'
           when not s.may_look then 'skipped'
           when l.standbys < n.standbys then 'broken'
           else 'ok'
       end,
       case
           when s.names = '' then 'none is asked for: after a failover, the last answers may be unknown'
           when not s.may_look then 'needs pg_monitor'
           when l.standbys < n.standbys then format(
               'synchronous_standby_names asks for %s, %s is there: each answer waits for 8 s', n.standbys, l.standbys
           )
           else format('%s of %s that are asked for follow', l.standbys, n.standbys)
       end,
       case
           when s.names = '' then null
           when not s.may_look then format('grant pg_monitor to %I', current_user)
           when l.standbys < n.standbys
               then 'alter system set synchronous_standby_names = ''''; select pg_reload_conf() -- or start the standby'
       end
  from setting as s, needed as n, live as l
