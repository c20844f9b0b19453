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
    perform rejoinder.notify_ingresses(array[event.ingress], array[id]);
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
    select e.* into event from rejoinder.event as e where e.id = retry.id for update;
    if event.id is null then
        raise exception 'there is no event %', id
            using hint = 'select id from rejoinder.recent where state <> ''answered'' limit 20';
    end if;
    if event.state not in ('failed', 'expired', 'cancelled') then
        raise exception 'event % is %: only a failed, expired or cancelled one can be retried', id, event.state;
    end if;
    update rejoinder.event as e
       set state = 'queued', place = nextval('rejoinder.place'), attempt = 0, ingress = null, worker = null,
           claimed_at = null, finished_at = null, code = null, error = null, deadline = clock_timestamp() + time_left
     where e.id = retry.id;
    perform rejoinder.wake(array[event.node]);
    return 'queued';
end $$;

-- Answers a waiting caller with one message. "status" false makes it Haptik's failure_response.
create function rejoinder.answer_by_hand(id uuid, message text, status boolean default true) returns rejoinder.state
language plpgsql as $$
#variable_conflict use_column
declare
    event rejoinder.event;
begin
    if coalesce(btrim(message), '') = '' then
        raise exception 'the message is empty: Haptik would treat that as a bot break';
    end if;
    select e.* into event from rejoinder.event as e where e.id = answer_by_hand.id for update;
    if event.id is null then
        raise exception 'there is no event %', id using hint = 'select id from rejoinder.queue';
    end if;
    if event.state not in ('queued', 'running') then
        raise exception 'event % is already %', id, event.state;
    end if;
    update rejoinder.event as e
       set state = 'answered', finished_at = clock_timestamp(), code = 'by_hand',
           answer = json_build_object('status', status, 'response', json_build_array(message))
     where e.id = answer_by_hand.id;
    perform rejoinder.notify_ingresses(array[event.ingress], array[id]);
    if event.worker is not null then
        perform pg_notify(rejoinder.channel(event.worker), 'cancel ' || id);
    end if;
    return 'answered';
end $$;
