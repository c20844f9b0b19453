-- What an operator does from psql. These return the event's new state, or say why not.

create function rejoinder.cancel(id uuid) returns rejoinder.state
language plpgsql as $$
#variable_conflict use_column
declare
    event rejoinder.event;
begin
    select e.* into event from rejoinder.event as e where e.id = cancel.id;
    if event.id is null then
        raise exception 'there is no event %', id using hint = 'select id from rejoinder.queue';
    end if;
    perform from rejoinder.abandon(array[id], array['cancelled'::rejoinder.state], array['cancelled']);
    if not found then
        raise exception 'event % is %: only a queued or running one can be cancelled', id, event.state;
    end if;
    perform rejoinder.settle(array[id]);
    return 'cancelled';
end $$;

-- Queues an event again that has come to an end without an answer, with a new deadline and all its attempts. Its caller
-- has had a reply long ago: this is for the sake of what the handler does.
create function rejoinder.retry(id uuid, time_left interval default '30 seconds') returns rejoinder.state
language plpgsql as $$
#variable_conflict use_column
declare
    event rejoinder.event;
begin
    select e.* into event from rejoinder.event as e where e.id = retry.id;
    if event.id is null then
        raise exception 'there is no event %', id
            using hint = 'select id from rejoinder.recent where state <> ''answered'' limit 20';
    end if;
    delete from rejoinder.outcome as o where o.id = retry.id and o.state in ('failed', 'expired', 'cancelled');
    if not found then
        raise exception 'event % is %: only a failed, expired or cancelled one can be retried', id, event.state;
    end if;
    insert into rejoinder.live (id, enqueued_at, deadline, endpoint, node)
    values (id, clock_timestamp(), clock_timestamp() + time_left, event.endpoint, event.node);
    perform rejoinder.wake(array[event.node]);
    return 'queued';
end $$;

-- Answers a waiting caller with one message. "status" false makes it Haptik's failure_response.
create function rejoinder.answer_by_hand(id uuid, message text, status boolean default true) returns rejoinder.state
language plpgsql as $$
#variable_conflict use_column
declare
    event rejoinder.event;
    ended rejoinder.live;
begin
    if coalesce(btrim(message), '') = '' then
        raise exception 'the message is empty: Haptik would treat that as a bot break';
    end if;
    select e.* into event from rejoinder.event as e where e.id = answer_by_hand.id;
    if event.id is null then
        raise exception 'there is no event %', id using hint = 'select id from rejoinder.queue';
    end if;
    delete from rejoinder.live as l where l.id = answer_by_hand.id returning l.* into ended;
    if ended.id is null then
        raise exception 'event % is already %', id, event.state;
    end if;
    insert into rejoinder.outcome (
        id, place, state, attempt, ingress, worker, enqueued_at, claimed_at, finished_at, node, code, answer
    ) values (
        id, ended.place, 'answered', ended.attempt, ended.ingress, ended.worker, ended.enqueued_at, ended.claimed_at,
        clock_timestamp(), ended.node, 'by_hand', json_build_object('status', status, 'response', json_build_array(message))
    );
    perform rejoinder.settle(array[id]);
    -- The one notification that waits for the disk: its reply must not be lost, and nothing else is in a hurry here.
    perform rejoinder.commit_durably(true);
    if ended.worker is not null then
        perform pg_notify(rejoinder.channel(ended.worker), 'cancel ' || id);
    end if;
    return 'answered';
end $$;
