import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("Housekeeping", .timeLimit(.minutes(10)))
struct TidyTests {
    /// The last day for which there is a partition, as that is named.
    private static let lastDay = "to_char((clock_timestamp() + '2 days') at time zone 'UTC', 'YYYYMMDD')"

    /// How many partitions were made, and how many dropped.
    private func tidy(_ connection: PostgresConnection) async throws -> [Int32] {
        let made: Int32 = try await connection.execute(PostgresCall(Statements.tidy)).integer(0, 0)
        var dropped: Int32 = 0
        while try await self.dropOne(connection) { dropped += 1 }
        return [made, dropped]
    }

    private func dropOne(_ connection: PostgresConnection) async throws -> Bool {
        try await connection.execute(PostgresCall(Statements.dropExpired)).integer(0, 0, as: Int32.self) == 1
    }

    /// Makes the partitions of a day in the past with one event in them.
    private func makePartition(_ days: Int, on connection: PostgresConnection) async throws {
        try await connection.run(
            script: """
                do $$
                declare
                    day timestamptz := date_trunc('day', clock_timestamp(), 'UTC') - interval '\(days) days';
                    parent text;
                begin
                    foreach parent in array array['received', 'outcome'] loop
                        execute format('create table rejoinder.%I partition of rejoinder.%I for values from (%L) to (%L)',
                            parent || to_char(day at time zone 'UTC', '_YYYYMMDD'), parent,
                            rejoinder.id_at(day), rejoinder.id_at(day + interval '1 day'));
                    end loop;
                    insert into rejoinder.received (id, enqueued_at, deadline, endpoint, node, payload)
                    values (rejoinder.id_at(day), day, day, '/', 'days \(days)', '1');
                    insert into rejoinder.outcome (id, place, state, attempt, enqueued_at, finished_at, node)
                    values (rejoinder.id_at(day), 1, 'expired', 0, day, day, 'days \(days)');
                end $$
                """,
            timeout: .seconds(10)
        )
    }

    /// The nodes of the events of which something is kept, and the state that is.
    private func kept(_ connection: PostgresConnection) async throws -> [String?] {
        try await connection.query(
            """
            select coalesce(r.node, 'no event: ' || o.node) || ' ' || coalesce(o.state::text, 'no outcome')
              from rejoinder.received as r
              full join rejoinder.outcome as o on o.id = r.id
             order by 1
            """
        ).flatMap(\.self)
    }

    /// Drops the partitions of the coming days, or those of one of them.
    private func dropPartitions(_ condition: String = "true", on connection: PostgresConnection) async throws {
        try await connection.run(
            script: """
                do $$ declare part regclass; begin
                    for part in
                        select inhrelid::regclass from pg_inherits
                         where inhparent in ('rejoinder.received'::regclass, 'rejoinder.outcome'::regclass)
                           and inhrelid not in ('rejoinder.received_default'::regclass, 'rejoinder.outcome_default'::regclass)
                           and (\(condition))
                    loop
                        execute format('drop table %s', part);
                    end loop;
                end $$
                """,
            timeout: .seconds(10)
        )
    }

    @Test("what is inserted once is neither vacuumed for it nor read in full for its statistics")
    func partitions() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let rows = try await connection.query(
                """
                select parent.relname::text, coalesce(c.reloptions::text, ''),
                       (select max(coalesce(a.attstattarget, -1)) from pg_attribute as a
                         where a.attrelid = c.oid and a.attnum > 0)::text,
                       count(*)::text
                  from pg_inherits as i
                  join pg_class as c on c.oid = i.inhrelid
                  join pg_class as parent on parent.oid = i.inhparent
                 where c.relkind = 'r' and c.relname ~ '_[0-9]{8}$'
                 group by 1, 2, 3
                 order by 1
                """
            )
            let option = "{autovacuum_vacuum_insert_threshold=-1}"
            #expect(
                rows == [
                    ["outcome", option, "10", "3"], ["received", option, "10", "3"], ["reply", "", "10", "3"],
                ]
            )
        }
    }

    @Test("an event that was queued again keeps its payload until it has ended, however old it is")
    func queuedAgain() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let worker = try await connection.register(.worker, [.sample(nil)]).process
            try await self.makePartition(5, on: connection)
            let id = try #require(
                try await connection.query("select id::text from rejoinder.received").first?.first ?? nil
            )
            // Nobody has called its node for as long, which has gone meanwhile.
            try await connection.query("select rejoinder.retry('\(id)')::text")
            #expect(try await self.tidy(connection)[1] == 0)
            #expect(try await self.kept(connection) == ["days 5 no outcome"])
            let claims = try await connection.claim(worker, .sample(nil))
            #expect(claims.map(\.payload) == [[UInt8(ascii: "1")]])
            try await connection.answer(worker, claims.map { ($0, .answered([UInt8(ascii: "1")])) })
            #expect(try await self.tidy(connection)[1] == 2)
            #expect(try await self.kept(connection) == [])
        }
    }

    @Test("what is older than the retention is dropped by whole partitions, the rest is kept")
    func retention() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            for days in [1, 3, 4, 5, 9] { try await self.makePartition(days, on: connection) }
            #expect(try await self.tidy(connection) == [0, 6])
            #expect(try await self.kept(connection) == ["days 1 expired", "days 3 expired"])
            #expect(try await self.tidy(connection) == [0, 0])
        }
    }

    @Test("of a day that is dropped no event looks as if it were in the queue, also where the rest of it is in the way")
    func order() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await self.makePartition(5, on: connection)
            func states() async throws -> [String?] {
                try await connection.query("select state::text from rejoinder.event").flatMap(\.self)
            }
            #expect(try await states() == ["expired"])
            let holder = try await database.connect()
            try await holder.run(script: "begin; select from rejoinder.received", timeout: .seconds(5))
            #expect(try await self.tidy(connection) == [0, 0])
            #expect(try await states() == ["expired"])
            try await holder.run(script: "commit", timeout: .seconds(5))
            var dropped = 0
            while try await self.dropOne(connection) {
                dropped += 1
                #expect(try await states() == [])
            }
            #expect(dropped == 2)
        }
    }

    @Test("where somebody has read of what is to be dropped, others wait once, and for nothing else that is done")
    func inTheWay() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            for days in [4, 5, 9, 10, 11] { try await self.makePartition(days, on: connection) }
            let reader = try await database.connect()
            try await reader.run(script: "begin; select count(*) from rejoinder.event", timeout: .seconds(5))
            let recorder = LogRecorder()
            let other = try await PostgresConnection.connect(database.configuration, logger: recorder.logger)
            #expect(try await self.tidy(other) == [0, 0])
            #expect(recorder.warningsOfServer.count == 1)
            try await reader.run(script: "commit", timeout: .seconds(5))
            #expect(try await self.tidy(other) == [0, 10])
        }
    }

    @Test("the retention is a setting, of at least an hour")
    func setting() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            for days in [1, 3, 8, 9] { try await self.makePartition(days, on: connection) }
            try await connection.query("update rejoinder.setting set retention = '8 days'")
            #expect(try await self.tidy(connection) == [0, 2])
            #expect(try await self.kept(connection) == ["days 1 expired", "days 3 expired", "days 8 expired"])
            try await connection.query("update rejoinder.setting set retention = '30 hours'")
            #expect(try await self.tidy(connection)[1] >= 4)
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
            try await self.dropPartitions(on: connection)
            // Whoever finds another at it leaves it to that one.
            let made = try await withThrowingTaskGroup(of: Int32.self) { group in
                for _ in 0..<5 { group.addTask { try await self.tidy(try await database.connect())[0] } }
                return try await group.reduce(0, +)
            }
            #expect(made == 6)
            try await connection.enqueue([.sample()], ingress: 1)
            let claims = try await connection.claim(1)
            #expect(try await connection.answer(1, claims.map { ($0, .answered([0x31])) }).count == 1)
            for parent in ["received", "outcome"] {
                #expect(
                    try await connection.query(
                        """
                        select (select count(*) from rejoinder.\(parent))::text,
                               (select count(*) from rejoinder.\(parent)_default)::text
                        """
                    ) == [["1", "0"]]
                )
            }
        }
    }

    @Test("a day whose events are in the default partition already keeps them there, and they are served")
    func occupiedDefault() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await self.dropPartitions(
                "right(inhrelid::regclass::text, 8) = \(Self.lastDay)",
                on: connection
            )
            let id = try #require(
                try await connection.query(
                    "select rejoinder.id_at(date_trunc('day', clock_timestamp(), 'UTC') + interval '60 hours')::text"
                ).first?.first.flatMap { $0 }.flatMap { EventID($0) }
            )
            try await connection.enqueue([.sample(id: id)], ingress: 1)
            // The events of that day stay where they are; for how they end there is a partition.
            #expect(try await self.tidy(connection) == [1, 0])
            let claims = try await connection.claim(1)
            #expect(claims.map(\.id) == [id])
            try await connection.answer(1, [(claims[0], .answered([0x31]))])
            #expect(try await connection.execute(.results([id])).count == 1)
            #expect(try await connection.events("state") == [["answered"]])

            // The other way round.
            try await self.dropPartitions(
                "inhrelid::regclass::text = 'rejoinder.outcome_' || \(Self.lastDay)",
                on: connection
            )
            try await connection.query("delete from rejoinder.received_default")
            try await connection.enqueue([.sample(id: id)], ingress: 1)
            let again = try await connection.claim(1)
            try await connection.answer(1, again.map { ($0, .failed(code: "x", error: "")) })
            try await connection.query("delete from rejoinder.received_default")
            #expect(try await self.tidy(connection) == [1, 0])
            #expect(try await connection.execute(.results([id])).string(0, 1) == "failed")
        }
    }

    @Test("old rows of default partitions, whatever their ids, and long stopped processes go, no live or new ones")
    func leftovers() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.query(
                """
                insert into rejoinder.received (id, received_at, enqueued_at, deadline, endpoint, node, payload)
                values (rejoinder.id_at('2099-01-01'), now() - interval '4 days', now(), now(), '/', 'ended', '1'),
                       (rejoinder.id_at('2001-01-02'), now() - interval '4 days', now(), now(), '/', 'live', '1'),
                       (rejoinder.id_at('2001-01-03'), now(), now(), now(), '/', 'new', '1')
                """
            )
            try await connection.query(
                """
                insert into rejoinder.outcome (id, place, state, attempt, enqueued_at, finished_at, node)
                values (rejoinder.id_at('2099-01-01'), 1, 'expired', 0, now(), now() - interval '4 days', 'ended'),
                       (rejoinder.id_at('2001-01-03'), 2, 'expired', 0, now(), now(), 'new')
                """
            )
            try await connection.query(
                """
                insert into rejoinder.live (id, enqueued_at, deadline, endpoint, node)
                values (rejoinder.id_at('2001-01-02'), now(), now(), '/', 'live')
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
            // What was received, and how it ended.
            #expect(try await self.tidy(connection) == [0, 2])
            #expect(try await self.kept(connection) == ["live no outcome", "new expired"])
            let processes = try await connection.query("select id::text from rejoinder.process order by id")
            #expect(processes == [["\(stopped)"], ["\(live)"]])
        }
    }

    @Test("a node that nobody has called within the retention goes, unless it is steered or something of it waits")
    func forgottenNodes() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let nodes = ["called", "called again", "forgotten", "paused", "limited", "waiting"]
            let ids = try await connection.enqueue(nodes.map { .sample(node: $0) }, ingress: 1)
            try await connection.query("update rejoinder.node set paused_at = now() where name = 'paused'")
            try await connection.query("select rejoinder.limit('limited', 1, null)")
            try await connection.execute(.abandon(ids.dropLast().map { ($0, .hungUp) }))
            try await connection.query("update rejoinder.node set last_seen_at = now() - interval '4 days'")
            // No recent call of theirs is left.
            try await connection.query("delete from rejoinder.outcome where node in ('forgotten', 'called again')")
            _ = try await self.tidy(connection)
            let retired = "select name from rejoinder.node where retired_at is not null order by name"
            #expect(try await connection.query(retired) == [["called again"], ["forgotten"], ["waiting"]])
            // Enqueues that had found it known may not have committed yet.
            _ = try await self.tidy(connection)
            #expect(try await connection.query("select count(*)::text from rejoinder.node") == [["6"]])
            // Of these one is called, and needs no second call to stay.
            try await connection.enqueue([.sample(node: "called again")], ingress: 1)
            #expect(try await connection.query(retired) == [["forgotten"], ["waiting"]])
            try await connection.query("update rejoinder.node set retired_at = retired_at - interval '1 minute'")
            _ = try await self.tidy(connection)
            let left = try await connection.query("select name from rejoinder.node order by name")
            #expect(left == [["called"], ["called again"], ["limited"], ["paused"], ["waiting"]])
            let seen = try await connection.query(
                "select (last_seen_at > now() - interval '1 hour')::text from rejoinder.node where name = 'called'"
            )
            #expect(seen == [["true"]])
        }
    }

    @Test("how long events are kept is set by an operator, and noted")
    func setRetention() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            #expect(try await connection.query("select rejoinder.set_retention('8 days')::text") == [["8 days"]])
            #expect(try await connection.query("select retention::text from rejoinder.setting") == [["8 days"]])
            let noted = try await connection.query("select action, detail ->> 'retention' from rejoinder.audit")
            #expect(noted == [["set_retention", "8 days"]])
            for wrong in ["'59 minutes'", "null"] {
                let error = try await #require(throws: PostgresError.self) {
                    try await connection.query("select rejoinder.set_retention(\(wrong))")
                }
                #expect(error.message.hasSuffix("expected at least 1 hour"))
            }
        }
    }

    @Test("partitions are days of UTC, though the server's own day is about to have another length")
    func timeZone() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            for parent in ["received", "outcome", "reply"] {
                for days in 1...2 {
                    let day = "to_char((now() + '\(days) days') at time zone 'UTC', 'YYYYMMDD')"
                    let name = try await connection.query("select '\(parent)_' || \(day)")[0][0] ?? ""
                    try await connection.query("drop table rejoinder.\(name)")
                }
            }
            // A zone whose clocks go forward tomorrow, by POSIX: the day of the year, counted from 0.
            let tomorrow =
                try await connection.query("select (extract(doy from now() + '1 day') - 1)::text")[0][0] ?? ""
            try await connection.query("set timezone = 'AAA0BBB,\(tomorrow)/3,\(tomorrow == "300" ? 200 : 300)/3'")
            #expect(try await self.tidy(connection) == [6, 0])
            try await connection.query("set timezone = 'UTC'")
            #expect(try await self.tidy(connection) == [0, 0])
            let wrong = try await connection.query(
                """
                select c.relname
                  from pg_inherits as i
                  join pg_class as c on c.oid = i.inhrelid
                 where c.relname ~ '_[0-9]{8}$' and c.relkind = 'r'
                   and strpos(
                           pg_get_expr(c.relpartbound, c.oid),
                           rejoinder.id_at(to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp at time zone 'UTC')::text
                       ) = 0
                """
            )
            #expect(wrong == [])
        }
    }

    @Test("a partition that has a part of another's day is no reason to make none of the others")
    func oddPartition() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.run(
                script: """
                    do $$
                    declare
                        day timestamptz := date_trunc('day', clock_timestamp(), 'UTC') + interval '1 day';
                    begin
                        execute format('drop table rejoinder.received_%s', to_char(day at time zone 'UTC', 'YYYYMMDD'));
                        execute format('drop table rejoinder.outcome_%s', to_char(day at time zone 'UTC', 'YYYYMMDD'));
                        execute format('create table rejoinder.odd partition of rejoinder.received for values from (%L) to (%L)',
                            rejoinder.id_at(day + interval '1 hour'), rejoinder.id_at(day + interval '24 hours'));
                    end $$
                    """,
                timeout: .seconds(10)
            )
            #expect(try await self.tidy(connection) == [1, 0])
        }
    }

    @Test("a node that takes longer than there is time gets another chance when none was answered")
    func takesTooLong() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.enqueue([.sample(node: "a")], ingress: 1)
            try await connection.query("update rejoinder.node set takes = '1 minute'")
            #expect(try await connection.claim(1, .sample(["a"])).isEmpty)
            try await connection.query("select requeued from rejoinder.recover()")
            for expected in ["00:00:30", "00:00:15"] {
                _ = try await self.tidy(connection)
                #expect(try await connection.query("select takes::text from rejoinder.node") == [[expected]])
            }
            try await connection.enqueue([.sample(node: "a")], ingress: 1)
            #expect(try await connection.claim(1, .sample(["a"])).count == 1)
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
                    "update rejoinder.outcome set claimed_at = finished_at - interval '\(seconds) s' where id = '\(claim.id)'"
                )
            }
            _ = try await self.tidy(connection)
            let takes = try await connection.query("select name, takes::text from rejoinder.node order by name")
            #expect(takes == [["a", "00:00:03"], ["b", "00:00:00"]])
        }
    }
}
