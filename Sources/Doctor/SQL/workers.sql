-- Nodes that are called, or were in the last hour, and that no live worker serves: such a call soon ends as cancelled.
with unserved as (
    select o.node, o.queued
      from rejoinder.overview as o
     where o.queued + o.running + o.answered_hour + o.failed_hour + o.expired_hour + o.cancelled_hour > 0
       and not exists (select from rejoinder.workers as w where not w.missing and (o.node = any (w.nodes) or '*' = any (w.nodes)))
)
select 'broken', format('no worker serves node %s, which was called in the last hour: calls end with no_worker', quote_literal(u.node)),
       format('DATABASE_URL=... YOUR-WORKER # one with Handle("%s"); or correct the node''s name in the bot', u.node)
  from unserved as u
union all
select 'warning', 'no worker lives', 'DATABASE_URL=... product-price-worker # or your own'
 where not exists (select from rejoinder.workers) and not exists (select from unserved)
union all
select 'ok', count(*) || ' live, with ' || coalesce(sum(w.slots), 0) || ' slots', null
  from rejoinder.workers as w
having count(*) > 0 and not exists (select from unserved)
