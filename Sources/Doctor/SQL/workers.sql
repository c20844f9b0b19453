-- Nodes that are called, or were in the last hour, and that no live worker serves: such a call soon ends as cancelled, but of a
-- node that is paused. Those who live mark the others as missing: where none is left, their heartbeats tell.
with live as (
    select w.nodes, w.slots
      from rejoinder.workers as w
     where not w.missing and w.heartbeat < interval '5 seconds'
), unserved as (
    select o.node
      from rejoinder.overview as o
      join rejoinder.nodes as n on n.node = o.node
     where o.queued + o.running + o.answered_hour + o.failed_hour + o.expired_hour + o.cancelled_hour > 0
       and not n.paused
       and not exists (select from live as l where o.node = any (l.nodes) or '*' = any (l.nodes))
)
select 'broken', format('no worker serves node %s, which was called in the last hour: calls end with no_worker', quote_literal(u.node)),
       format('DATABASE_URL=... YOUR-WORKER # one with Handle("%s"); or correct the node''s name in the bot', u.node)
  from unserved as u
union all
select 'warning', 'no worker lives', 'DATABASE_URL=... product-price-worker # or your own'
 where not exists (select from live) and not exists (select from unserved)
union all
select 'ok', count(*) || ' live, with ' || coalesce(sum(l.slots), 0) || ' slots', null
  from live as l
having count(*) > 0 and not exists (select from unserved)
