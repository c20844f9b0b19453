/// All that the benchmark's program knows of the queue's schema.
enum QueueSQL {
    /// Makes the ids of each client's batches, which in a deployment the ingresses do: not a part of the measurement.
    static func batches(_ count: Int, of size: Int, clients: Int) -> [String] {
        [
            "create schema if not exists floor",
            "drop table if exists floor.batch",
            """
            create table floor.batch as
            select client, number,
                   array(
                       select (moment.start || right(gen_random_uuid()::text, 21))::uuid from generate_series(1, \(size))
                   ) as ids
              from generate_series(0, \(clients - 1)) as client
             cross join generate_series(1, \(count)) as number
             cross join lateral (
                select left(rejoinder.id_at(clock_timestamp())::text, 15) as start where number > 0
             ) as moment
            """,
            "alter table floor.batch add primary key (client, number)",
            "vacuum (analyze) floor.batch",
            "vacuum rejoinder.live",
        ]
    }

    /// pgbench's script for one batch on its way: enqueue, claim and answer, each in a transaction of its own.
    ///
    /// The low-water mark stays a little behind what was claimed last, since other clients' events have places before
    /// it.
    static func path(batch: Int) -> String {
        // To make one id costs less than to read it.
        let ids = batch == 1 ? "array[(:start || right(gen_random_uuid()::text, 21))::uuid]" : "b.ids"
        let made = "from floor.batch as b where b.client = :client_id and b.number = :number"
        return """
            \\set number :number + 1
            select rejoinder.enqueue(
                       1, \(ids), array_fill('/webhook'::text, array[\(batch)]), array_fill('echo'::text, array[\(batch)]),
                       array_fill(29000, array[\(batch)]), array_fill('\(payload)'::json, array[\(batch)])
                   )
              \(batch == 1 ? "" : made);
            select coalesce(array_agg(id), '{}') as ids,
                   coalesce(array_agg(place), '{}') as places,
                   greatest(coalesce(min(place) - 2000, :mark::bigint), 0) as mark
              from rejoinder.claim(1, array['echo'], \(batch), :mark) \\gset
            with told as (select :ids::uuid[] as ids, :places::bigint[] as places)
            select count(*)
              from told
             cross join lateral rejoinder.answer(
                  1, told.ids, told.places,
                  array_fill('answered'::text, array[cardinality(told.ids)]),
                  array_fill('{"status": true, "response": ["1"]}'::json, array[cardinality(told.ids)]),
                  array_fill(null::text, array[cardinality(told.ids)]),
                  array_fill(null::text, array[cardinality(told.ids)])
              );
            """
    }

    /// How the ids of this moment begin.
    static let idStart = "select left(rejoinder.id_at(clock_timestamp())::text, 15)"

    /// A place below which nothing is queued, when nobody calls.
    static let highWater = "select rejoinder.high_water()"

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

    /// So that a server tells what its statements look at.
    static let countingLooks = ["shared_preload_libraries": "pg_stat_statements"]
    static let countLooks = "create extension if not exists pg_stat_statements"

    /// How many pages the workers' claims have looked at, and how many claims there were.
    static let claimLooks = """
        select coalesce(sum(shared_blks_hit + shared_blks_read), 0) || ' ' || coalesce(sum(calls), 0)
          from pg_stat_statements
         where query like '%from rejoinder.claim(%' and query not like '%pg_stat_statements%'
        """

    /// A transaction that keeps what it sees visible for so many seconds.
    static func heldSnapshot(seconds: Int) -> String {
        "begin isolation level repeatable read; select count(*) from rejoinder.node; select pg_sleep(\(seconds))"
    }
}
