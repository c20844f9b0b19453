import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("The schema is made and checked", .timeLimit(.minutes(10)))
struct SchemaTests {
    @Test("from an empty database all migrations are applied, a second time none")
    func fromEmpty() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let schema = Schema(try await database.connect())
            #expect(try await schema.migrate() == Schema.migrations)
            try await schema.check()
            #expect(try await schema.migrate() == [])
            let recorded = try await database.query(
                "select version::text, name from rejoinder.migration order by version"
            )
            #expect(recorded == Schema.migrations.map { ["\($0.version)", $0.name] })
        }
    }

    @Test("the versions count up from 1, each with a name and a script of its own")
    func versions() {
        #expect(Schema.migrations.map(\.version) == Array(1...Int32(Schema.migrations.count)))
        #expect(Set(Schema.migrations.map(\.name)).count == Schema.migrations.count)
        #expect(Set(Schema.migrations.map(\.checksum)).count == Schema.migrations.count)
        #expect(Schema.migrations.allSatisfy { $0.checksum.count == 64 })
    }

    @Test("five that start at once take turns, and one of them does the work")
    func atOnce() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let applied = try await withThrowingTaskGroup(of: [Schema.Migration].self) { group in
                for _ in 0..<5 {
                    group.addTask { try await Schema(try await database.connect()).migrate() }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(applied.flatMap(\.self) == Schema.migrations)
            #expect(applied.count { $0.isEmpty } == 4)
            try await Schema(try await database.connect()).check()
        }
    }

    @Test("a migration that was applied in another form is refused, and holds nobody up")
    func changed() async throws {
        try await TestCluster.withDatabase { database in
            try await database.query("update rejoinder.migration set checksum = 'other' where version = 3")
            // Each on a connection of its own, while the others are still there.
            var connections: [PostgresConnection] = []
            for _ in 0..<3 {
                let connection = try await database.connect()
                connections.append(connection)
                let error = try await #require(throws: QueueError.self) {
                    try await Schema(connection).migrate(timeout: .seconds(10))
                }
                #expect(error.code == .migrationChanged)
                #expect(error.description.contains("migration 3 (path)"))
            }
            let error = try await #require(throws: QueueError.self) {
                try await Schema(connections[0]).check(for: .ingress)
            }
            #expect(error.code == .migrationChanged)
            for connection in connections { await connection.close() }
        }
    }

    @Test("a migration that fails leaves nothing of itself, and says which it was")
    func failure() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            try await database.query("create schema rejoinder")
            // In the way of the last statement of the first migration.
            try await database.query("create table rejoinder.event ()")
            let error = try await #require(throws: QueueError.self) {
                try await Schema(try await database.connect()).migrate()
            }
            #expect(error.code == .migrationFailed)
            #expect(error.description.contains("migration 1 (tables)"))
            #expect(error.underlying?.sqlState == "42P07")
            #expect(!error.description.contains { $0.isNewline })
            #expect(try await database.query("select to_regclass('rejoinder.live')::text") == [[nil]])

            try await database.query("drop table rejoinder.event")
            #expect(try await Schema(try await database.connect()).migrate() == Schema.migrations)
        }
    }

    @Test("without a schema the check says what to run")
    func absent() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let error = try await #require(throws: QueueError.self) {
                try await Schema(try await database.connect()).check()
            }
            #expect(error.code == .schemaOutdated)
            #expect(error.description.contains("there is no schema"))
            #expect(error.description.contains("`rejoinder migrate`"))
        }
    }

    @Test("an older schema is refused with what it lacks, a newer one is fine")
    func versionsApart() async throws {
        try await TestCluster.withDatabase { database in
            let schema = Schema(try await database.connect())
            try await database.query("insert into rejoinder.migration values (9999, 'later', 'x')")
            try await schema.check()
            #expect(try await schema.migrate() == [])

            try await database.query("delete from rejoinder.migration where version = 6")
            let error = try await #require(throws: QueueError.self) { try await schema.check() }
            #expect(error.code == .schemaOutdated)
            #expect(error.description.contains("migration 6 (views)"))
        }
    }

    @Test("the partitions of the coming days are there from the start", arguments: ["received", "outcome"])
    func partitions(of parent: String) async throws {
        try await TestCluster.withDatabase { database in
            let rows = try await database.query(
                """
                select count(*)::text
                  from pg_inherits
                 where inhparent = 'rejoinder.\(parent)'::regclass and inhrelid::regclass::text ~ '\(parent)_[0-9]{8}$'
                """
            )
            #expect(rows == [["3"]])
        }
    }
}
