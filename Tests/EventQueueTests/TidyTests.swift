import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("Housekeeping", .timeLimit(.minutes(3)))
struct TidyTests {
    private func tidy(_ connection: PostgresConnection) async throws -> [Int32] {
        let rows = try await connection.execute(PostgresCall(Statements.tidy))
        return [rows.integer(0, 0), rows.integer(0, 1)]
    }

    /// Makes a partition of a day in the past with one event in it.
    private func makePartition(_ days: Int, on connection: PostgresConnection) async throws {
        try await connection.run(
            script: """
                do $$
                declare
                    day timestamptz := date_trunc('day', clock_timestamp(), 'UTC') - interval '\(days) days';
                    name text := 'event_' || to_char(day at time zone 'UTC', 'YYYYMMDD');
                begin
                    execute format('create table rejoinder.%I partition of rejoinder.event for values from (%L) to (%L)',
                        name, rejoinder.id_at(day), rejoinder.id_at(day + interval '1 day'));
                    insert into rejoinder.event (id, state, node, endpoint, deadline, finished_at, payload)
                    values (rejoinder.id_at(day), 'expired', 'days \(days)', '/', day, day, '1');
                end $$
                """,
            timeout: .seconds(10)
        )
    }

    private func nodes(_ connection: PostgresConnection) async throws -> [String?] {
        try await connection.query("select node from rejoinder.event order by node").flatMap(\.self)
    }

    @Test("what is older than the retention is dropped by whole partitions, the rest is kept")
    func retention() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            for days in [1, 3, 4, 5, 9] { try await self.makePartition(days, on: connection) }
            #expect(try await self.tidy(connection) == [0, 3])
            #expect(try await self.nodes(connection) == ["days 1", "days 3"])
            #expect(try await self.tidy(connection) == [0, 0])
        }
    }

    @Test("the retention is a setting, of at least an hour")
    func setting() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            for days in [1, 3, 8, 9] { try await self.makePartition(days, on: connection) }
            try await connection.query("update rejoinder.setting set retention = '8 days'")
            #expect(try await self.tidy(connection) == [0, 1])
            #expect(try await self.nodes(connection) == ["days 1", "days 3", "days 8"])
            try await connection.query("update rejoinder.setting set retention = '30 hours'")
            #expect(try await self.tidy(connection)[1] >= 2)
            let error = try await #require(throws: PostgresError.self) {
                try await connection.query("update rejoinder.setting set retention = '59 minutes'")
            }
            #expect(error.description.contains("retention_is_at_least_an_hour"))
            await #expect(throws: PostgresError.self) {
                try await connection.query("insert into rejoinder.setting values (true, '1 day')")
            }
        }
    }

    @Test("missing partitions of the coming days are made again, by any number at once")
    func ahead() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.run(
                script: """
                    do $$ declare part regclass; begin
                        for part in
                            select inhrelid::regclass from pg_inherits
                             where inhparent = 'rejoinder.event'::regclass and inhrelid <> 'rejoinder.event_default'::regclass
                        loop
                            execute format('drop table %s', part);
                        end loop;
                    end $$
                    """,
                timeout: .seconds(10)
            )
            // Some may find themselves in each other's way; together they make each.
            let made = try await withThrowingTaskGroup(of: Int32.self) { group in
                for _ in 0..<5 { group.addTask { try await self.tidy(try await database.connect())[0] } }
                return try await group.reduce(0, +)
            }
            #expect(made + (try await self.tidy(connection)[0]) == 3)
            try await connection.enqueue([.sample()], ingress: 1)
            #expect(try await connection.query("select count(*)::text from rejoinder.event_default") == [["0"]])
        }
    }

    @Test("a day whose events are in the default partition already keeps them there, and they are served")
    func occupiedDefault() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.run(
                script: """
                    do $$ begin
                        execute format('drop table rejoinder.%I',
                            'event_' || to_char((clock_timestamp() + interval '2 days') at time zone 'UTC', 'YYYYMMDD'));
                    end $$;
                    insert into rejoinder.event (id, node, endpoint, deadline, payload)
                    values (rejoinder.id_at(clock_timestamp() + interval '2 days'), 'node', '/', clock_timestamp() + '1 hour', '1')
                    """,
                timeout: .seconds(10)
            )
            #expect(try await self.tidy(connection) == [0, 0])
            #expect(try await connection.claim(1).count == 1)
        }
    }

    @Test("old rows of the default partition and long stopped processes go, live ones stay")
    func leftovers() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.query(
                """
                insert into rejoinder.event (id, node, endpoint, deadline, payload, state, finished_at)
                values (rejoinder.id_at('2001-01-01'), 'ended', '/', now(), '1', 'expired', now()),
                       (rejoinder.id_at('2001-01-02'), 'live', '/', now(), '1', 'queued', null)
                """
            )
            let gone = try await connection.register(.worker, [.sample()]).process
            let stopped = try await connection.register(.worker, [.sample()]).process
            let live = try await connection.register(.ingress).process
            try await connection.query(
                """
                update rejoinder.process set stopped_at = now() - case id when \(gone) then interval '4 days' else '1 day' end
                 where id <> \(live)
                """
            )
            #expect(try await self.tidy(connection) == [0, 0])
            #expect(try await self.nodes(connection) == ["live"])
            let processes = try await connection.query("select id::text from rejoinder.process order by id")
            #expect(processes == [["\(stopped)"], ["\(live)"]])
        }
    }

    @Test("how long a node takes is the median of what it was answered in lately")
    func takes() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.enqueue((0..<5).map { _ in .sample(node: "a") } + [.sample(node: "b")], ingress: 1)
            let claims = try await connection.claim(1, .sample(["a"]))
            try await connection.answer(1, claims.map { ($0, .answered([UInt8(ascii: "1")])) })
            for (claim, seconds) in zip(claims, [1, 2, 3, 100, 100]) {
                try await connection.query(
                    "update rejoinder.event set claimed_at = finished_at - interval '\(seconds) s' where id = '\(claim.id)'"
                )
            }
            _ = try await self.tidy(connection)
            let takes = try await connection.query("select name, takes::text from rejoinder.node order by name")
            #expect(takes == [["a", "00:00:03"], ["b", "00:00:00"]])
        }
    }
}
