import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

/// A worker with one lane, as the database knows it, on a connection of its own that listens.
struct Sleeper {
    let connection: PostgresConnection
    let process: Int32
    let lane: Int32
    let told: Mailbox<String>

    init(
        _ database: TestDatabase,
        _ lane: LaneOptions = .sample(),
        _ attention: LaneMachine.Attention = .idle
    ) async throws {
        self.connection = try await database.connect()
        let registration = try await self.connection.register(.worker, [lane])
        self.process = registration.process
        self.lane = try #require(registration.lanes.first)
        self.told = try await self.connection.notifications(of: self.process)
        try await self.attend(attention)
    }

    func attend(_ attention: LaneMachine.Attention) async throws {
        try await self.connection.execute(.attend(lane: self.lane, attention))
    }

    /// The advisory locks that it holds for its lane, by name.
    func locks() async throws -> [String] {
        try await self.connection.query(
            """
            select name
              from unnest(array['eager', 'idle']) as name
              join pg_locks on locktype = 'advisory' and classid = rejoinder.lock_class(name) and objid = \(self.lane)
               and pid = pg_backend_pid()
            """
        ).flatMap { $0.compactMap(\.self) }
    }
}
