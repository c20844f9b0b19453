/// All that the benchmark's program knows of the queue's schema.
enum QueueSQL {
    /// pgbench's script for one batch on its way: enqueue, claim and answer, each in a transaction of its own.
    ///
    /// The low-water mark stays a little behind what was claimed last, since other clients' events have places before
    /// it.
    static func path(batch: Int) -> String {
        """
        \(enqueue(batch: batch));
        select coalesce(array_agg(id), '{}') as ids,
               coalesce(array_agg(place), '{}') as places,
               greatest(coalesce(min(place), 0) - 2000, 0) as mark
          from rejoinder.claim(1, array['echo'], \(batch), :mark) \\gset
        select count(*)
          from rejoinder.answer(
              1, :ids::uuid[], :places::bigint[],
              array_fill('answered'::text, array[cardinality(:ids::uuid[])]),
              array_fill('{"status": true, "response": ["1"]}'::json, array[cardinality(:ids::uuid[])]),
              array_fill(null::text, array[cardinality(:ids::uuid[])]),
              array_fill(null::text, array[cardinality(:ids::uuid[])])
          );
        """
    }

    private static func enqueue(batch: Int) -> String {
        """
        select rejoinder.enqueue(
            1,
            array(
                select (left(rejoinder.id_at(clock_timestamp())::text, 15) || right(gen_random_uuid()::text, 21))::uuid
                  from generate_series(1, \(batch))
            ),
            array_fill('/webhook'::text, array[\(batch)]),
            array_fill('echo'::text, array[\(batch)]),
            array_fill(29000, array[\(batch)]),
            array_fill('\(payload)'::json, array[\(batch)])
        )
        """
    }

    private static let payload = SampleCall.echo.replacing("{{n}}", with: "1").replacing("\n", with: " ")

    /// How many events have been answered.
    static let answered = "select count(*) from rejoinder.outcome where state = 'answered'"

    /// How many workers are there.
    static let workers = "select count(*) from rejoinder.workers where not missing"

    /// Puts so many finished events into the tables, of some minutes ago.
    static func finished(_ count: Int) -> String {
        let moment = "now() - interval '10 minutes'"
        let ids = """
            select (
                       left(rejoinder.id_at(\(moment))::text, 15) || left(hash, 3) || '-8' || substr(hash, 4, 3) || '-'
                           || substr(hash, 7, 12)
                   )::uuid as id
              from generate_series(1, \(count)) as n
             cross join lateral (select md5(n::text) as hash) as made
            """
        return """
            begin;
            insert into rejoinder.received (id, enqueued_at, deadline, ingress, endpoint, node, payload)
            select id, \(moment), \(moment) + interval '29 seconds', 1, '/webhook', 'echo', '\(payload)'
              from (\(ids)) as new;
            insert into rejoinder.outcome (
                id, place, state, attempt, ingress, worker, enqueued_at, claimed_at, finished_at, node, answer
            )
            select id, 1, 'answered', 1, 1, 1, \(moment), \(moment), \(moment), 'echo', '{"status": true, "response": ["1"]}'
              from (\(ids)) as new;
            commit
            """
    }

    /// Settles what so many new rows leave to do, so that it isn't done during the measurement.
    static let settle = ["vacuum (analyze) rejoinder.received", "vacuum (analyze) rejoinder.outcome", "checkpoint"]

    /// What a claim looks at that finds nothing: as a worker would ask, from a little before what was queued last.
    static let claimLooks = [
        "begin",
        """
        explain (analyze, buffers, costs off, timing off)
        select * from rejoinder.claim(1, array['echo'], 64, greatest(rejoinder.high_water() - 2000, 0))
        """,
        "rollback",
    ]

    /// A transaction that keeps what it sees visible for so many seconds.
    static func heldSnapshot(seconds: Int) -> String {
        "begin isolation level repeatable read; select count(*) from rejoinder.node; select pg_sleep(\(seconds))"
    }
}
