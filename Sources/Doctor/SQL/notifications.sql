-- The queue of notifications is the cluster's; when it is full, whoever notifies fails.
select case when u.share > 0.5 then 'broken' when u.share > 0.1 then 'warning' else 'ok' end,
       format('%s %% of the notification queue are in use', round((100 * u.share)::numeric, 1))
           || case when u.share > 0.1 then ': somebody listens and stays in a transaction' else '' end,
       case when u.share > 0.1 then
           'select pg_terminate_backend(pid) from pg_stat_activity where state like ''idle in transaction%'' and xact_start < now() - interval ''1 minute'''
       end
  from (select pg_notification_queue_usage() as share) as u
