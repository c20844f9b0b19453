-- What Scripts/count-instructions runs: one step of many batches after the other, each batch in a transaction of its own. The events have
-- ten hours left, since all takes many times as long as it would.

create schema counted;
create table counted.batch (number integer primary key, ids uuid[] not null, places bigint[], is_stored boolean not null default false);

create procedure counted.enqueue(batches integer, size integer) language plpgsql as $$
declare
    made uuid[];
    payload constant json := '{"node": "echo", "event": "API_INTEGRATION", "user": {"user_name": "haptik username", "full_name": "", "device_platform": 5}, "entities": {"n": [{"detection": "message", "original_text": "1", "entity_value": "1"}], "email": [{"detection": "user_profile", "original_text": "test@test.com", "entity_value": "test@test.com"}], "product_name": [{"detection": "default", "original_text": "speaker", "entity_value": "speaker"}]}}';
begin
    for n in 1..batches loop
        made := array(
            select (left(rejoinder.id_at(clock_timestamp())::text, 15) || right(gen_random_uuid()::text, 21))::uuid
              from generate_series(1, size)
        );
        insert into counted.batch (number, ids) select coalesce(max(number), 0) + 1, made from counted.batch;
        perform rejoinder.enqueue(
            1, made, array_fill('/webhook'::text, array[size]), array_fill('echo'::text, array[size]),
            array_fill(36000000, array[size]), array_fill(payload, array[size]), array_fill(100, array[size]),
            array_fill(null::text, array[size])
        );
        commit;
    end loop;
end $$;

-- A claim takes what is oldest: the batches as they were enqueued.
create procedure counted.claim(size integer) language plpgsql as $$
declare
    n integer;
    mark bigint := 0;
begin
    for n in select number from counted.batch where places is null order by number loop
        update counted.batch
           set (ids, places) = (select array_agg(c.id), array_agg(c.place) from rejoinder.claim(1, '{echo}', size, mark) as c)
         where number = n
        returning places[1] into mark;
        commit;
    end loop;
end $$;

create procedure counted.store() language plpgsql as $$
declare
    b counted.batch;
    size integer;
    stored record;
begin
    for b in select * from counted.batch where not is_stored order by number loop
        size := cardinality(b.ids);
        stored := rejoinder.store(
            1, b.ids, b.places, array_fill('answered'::text, array[size]),
            array_fill('{"status": true, "response": ["1"]}'::json, array[size]), array_fill(null::text, array[size]),
            array_fill(null::text, array[size]), array_fill(100, array[size]), array_fill(100, array[size])
        );
        if stored.accepted is null or cardinality(stored.accepted) <> size then
            raise exception 'of % outcomes % were accepted', size, coalesce(cardinality(stored.accepted), 0);
        end if;
        update counted.batch set is_stored = true where number = b.number;
        commit;
    end loop;
end $$;
