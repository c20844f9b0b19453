import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("What goes wrong is counted", .timeLimit(.minutes(10)))
struct IncidentTests {
    private static let view = "select about, code, last_5_minutes::text, last_hour::text from rejoinder.incidents"

    @Test("by kind and minute; what could not be told is told later, and the log has an end")
    func log() {
        let log = IncidentLog()
        let now = ContinuousClock.now
        log.note(.call(code: "signature", node: nil), at: now)
        log.note(.call(code: "signature", node: nil), 2, at: now + .seconds(1))
        log.note(.call(code: "contract", node: "a"), 0, at: now)
        log.note(.connectionLost, at: now + .seconds(61))
        log.note(.call(code: "signature", node: nil), at: now + .seconds(62))
        let taken = log.take().sorted { ($0.incident.code, $0.at) < ($1.incident.code, $1.at) }
        #expect(taken.map(\.incident.code) == ["connection_lost", "signature", "signature"])
        #expect(taken.map(\.number) == [1, 3, 1])
        #expect(taken.map { $0.at - now } == [.seconds(61), .seconds(1), .seconds(62)])
        #expect(log.take().isEmpty)

        log.note(.call(code: "signature", node: nil), at: now)
        log.putBack(taken)
        #expect(log.take().reduce(0) { $0 + $1.number } == 6)

        for minute in 0...IncidentLog.most { log.note(.connectionLost, at: now + .seconds(60 * minute)) }
        #expect(log.take().count == IncidentLog.most)
    }

    @Test("calls without an answer and lost connections come with the heartbeat; those of an hour ago are history")
    func told() async throws {
        try await Rig.run { rig in
            for _ in 0..<3 { rig.ingress.gaveNoAnswer("signature", node: nil) }
            try await eventually("it is told") {
                try await rig.database.query(Self.view) == [["call", "signature", "3", "3"]]
            }
            rig.ingress.gaveNoAnswer("signature", node: nil)
            try await eventually("it is added") {
                try await rig.database.query(Self.view) == [["call", "signature", "4", "4"]]
            }
            let told = try await rig.database.query("select processes, advice from rejoinder.incidents")
            let process = try await rig.database.query("select name || ' (' || id || ')' from rejoinder.process")
            #expect(told.first?[0] == process.first?[0])
            #expect(told.first?[1]?.contains("secret") == true)

            _ = try await rig.database.query(
                """
                select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()
                """
            )
            try await eventually("a lost connection is told") {
                try await rig.database.query(Self.view).contains { $0[0] == "database" && $0[1] == "connection_lost" }
            }
            _ = try await rig.database.query(
                "update rejoinder.incident set minute = minute - interval '10 minutes' where code = 'signature'"
            )
            #expect(try await rig.database.query(Self.view).contains(["call", "signature", "0", "4"]))
            _ = try await rig.database.query(
                "update rejoinder.incident set minute = minute - interval '1 hour' where code = 'signature'"
            )
            #expect(try await !rig.database.query(Self.view).contains { $0[1] == "signature" })
        }
    }

    @Test("several minutes are told at once, each for its own; and none is kept for longer than events are")
    func kept() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            try await connection.query(
                """
                select rejoinder.note_incidents(
                    1, array['call', 'call', 'call'], array['a', 'a', 'a'], array['n', 'm', 'n'], array[1, 2, 4],
                    array[0, 120000, 2000000000]
                )
                """
            )
            let minutes = "select number::text from rejoinder.incident order by minute"
            #expect(try await connection.query(minutes) == [["4"], ["2"], ["1"]])
            #expect(try await connection.query(Self.view) == [["call", "a", "3", "3"]])
            #expect(try await connection.query("select nodes from rejoinder.incidents") == [["m, n"]])
            try await connection.query("select from rejoinder.tidy()")
            #expect(try await connection.query(minutes) == [["2"], ["1"]])
        }
    }

    @Test("a process that died is one, whether it had an event or not; one that left in order is none")
    func lostProcess() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let leaver = try await database.connect()
            let left = try await leaver.register(.worker, [.sample(["a"])])
            try await leaver.query("select from rejoinder.deregister(\(left.process))")
            let doomed = try await database.connect()
            let lost = try await doomed.register(.worker, [.sample(["a"])])
            await doomed.close()
            try await eventually("it is found") {
                _ = try await connection.recover()
                return try await connection.query(
                    "select about, code, number::text, process::text from rejoinder.incident"
                ) == [["process", "worker_lost", "1", "\(lost.process)"]]
            }
            #expect(try await connection.query("select (advice is null)::text from rejoinder.incidents") == [["false"]])
        }
    }
}
