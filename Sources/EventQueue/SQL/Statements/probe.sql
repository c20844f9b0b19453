-- Whether the database takes events: one as large as a page is enqueued, and taken back.
begin;
select rejoinder.enqueue(
    null, array[gen_random_uuid()], array['probe'], array['probe'], array[0],
    array[(select to_json(string_agg(md5(random()::text), '')) from generate_series(1, 300))]
);
rollback;
