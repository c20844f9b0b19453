import Crypto
package import PostgresClient

/// The queue's schema in the database: forward only, each migration in one transaction, with its checksum on record.
package struct Schema: Sendable {
    /// One file of `SQL/Migrations`.
    package struct Migration: Sendable, Hashable {
        package let version: Int32
        package let name: String
        let script: String

        var checksum: String {
            SHA256.hash(data: Array(self.script.utf8)).reduce(into: "") { text, byte in
                text += String(byte >> 4, radix: 16) + String(byte & 0xF, radix: 16)
            }
        }
    }

    package static let migrations = [
        Migration(1, "tables", PackageResources.m0001_tables_sql),
        Migration(2, "processes", PackageResources.m0002_processes_sql),
        Migration(3, "path", PackageResources.m0003_path_sql),
        Migration(4, "recovery", PackageResources.m0004_recovery_sql),
        Migration(5, "operator", PackageResources.m0005_operator_sql),
        Migration(6, "views", PackageResources.m0006_views_sql),
        Migration(7, "roles", PackageResources.m0007_roles_sql),
        Migration(8, "definitions", PackageResources.m0008_definitions_sql),
        Migration(9, "dashboard", PackageResources.m0009_dashboard_sql),
    ]

    /// Held by whoever migrates; others wait for it.
    private static let lock = "select pg_advisory_lock(1382678533, 0)"
    private static let unlock = "select pg_advisory_unlock(1382678533, 0)"

    private let connection: PostgresConnection

    package init(_ connection: PostgresConnection) {
        self.connection = connection
    }

    /// Applies what is missing, makes the roles and the first partitions.
    ///
    /// Any number of processes may do this at once: they take turns, and all but the first find nothing to do.
    ///
    /// - Returns: the migrations that this call applied.
    @discardableResult
    package func migrate(timeout: Duration = .seconds(600)) async throws(QueueError) -> [Migration] {
        do throws(PostgresError) {
            try await self.connection.run(script: "set statement_timeout = 0; " + Self.lock, timeout: timeout)
        } catch {
            throw QueueError(error)
        }
        let applied: [Migration]
        do throws(QueueError) {
            applied = try await self.migrateAlone(timeout: timeout)
        } catch {
            // Else the others would wait for as long as this connection lives.
            try? await self.connection.run(script: Self.unlock, timeout: timeout)
            throw error
        }
        do throws(PostgresError) {
            try await self.connection.run(script: Self.unlock, timeout: timeout)
        } catch {
            throw QueueError(error)
        }
        return applied
    }

    private func migrateAlone(timeout: Duration) async throws(QueueError) -> [Migration] {
        let before = try await self.definitions()
        let applied = try await self.applyMissing(timeout: timeout)
        do throws(PostgresError) {
            try await self.connection.execute(PostgresCall(Statements.secure))
            var known = PostgresArguments()
            known.append(before)
            try await self.connection.execute(PostgresCall(Statements.recordDefinitions, known))
            try await self.connection.execute(PostgresCall(Statements.tidy))
        } catch {
            throw QueueError(error)
        }
        return applied
    }

    /// The group roles that there are not, since no login that has migrated was allowed to create them.
    ///
    /// The schema can do without them: its owner may do everything.
    package func missingRoles() async throws(QueueError) -> [QueueRole] {
        do throws(PostgresError) {
            let missing = try await self.connection.execute(PostgresCall(Statements.secure)).strings(0, 0)
            return QueueRole.allCases.filter { missing.contains($0.name) }
        } catch {
            throw QueueError(error)
        }
    }

    /// Whether the schema is what this program needs, and this login may do the role's job in it.
    ///
    /// - Throws: `.schemaOutdated`, `.migrationChanged` or `.notGranted` with what to do. A newer schema is fine: migrations
    ///   keep older programs working.
    package func check(for role: QueueRole? = nil) async throws(QueueError) {
        let applied: [Int32: String]
        do throws(QueueError) {
            applied = try await self.applied()
        } catch  where error.underlying?.sqlState == PostgresError.insufficientPrivilege {
            throw .notGranted(role)
        }
        if let missing = Self.migrations.first(where: { applied[$0.version] == nil }) {
            throw QueueError(
                .schemaOutdated,
                applied.isEmpty
                    ? "there is no schema \"rejoinder\" in this database: run `rejoinder migrate`"
                    : "the schema \"rejoinder\" lacks migration \(missing.version) (\(missing.name)): run `rejoinder migrate`"
            )
        }
        for migration in Self.migrations { try migration.check(applied[migration.version]) }
        if let role, try await !self.mayCall(role.mainFunction) { throw .notGranted(role) }
    }

    private func mayCall(_ function: String) async throws(QueueError) -> Bool {
        var arguments = PostgresArguments()
        arguments.append(function)
        do throws(PostgresError) {
            return try await self.connection.execute(PostgresCall(Statements.mayCall, arguments)).bool(0, 0)
        } catch {
            throw QueueError(error)
        }
    }

    private func applyMissing(timeout: Duration) async throws(QueueError) -> [Migration] {
        do throws(PostgresError) {
            let script = String(decoding: PackageResources.bookkeeping_sql, as: UTF8.self)
            try await self.connection.run(
                script: "set client_min_messages = warning; " + script + "; reset client_min_messages",
                timeout: timeout
            )
        } catch {
            throw QueueError(error)
        }
        let applied = try await self.applied()
        var done: [Migration] = []
        for migration in Self.migrations {
            if let checksum = applied[migration.version] {
                try migration.check(checksum)
                continue
            }
            try await self.apply(migration, timeout: timeout)
            done.append(migration)
        }
        return done
    }

    private func apply(_ migration: Migration, timeout: Duration) async throws(QueueError) {
        // A script of several statements is one transaction (the simple protocol's rule), with its record in it.
        let record = """
            insert into rejoinder.migration (version, name, checksum)
            values (\(migration.version), '\(migration.name)', '\(migration.checksum)')
            """
        do throws(PostgresError) {
            try await self.connection.run(script: migration.script + "\n;\n" + record, timeout: timeout)
        } catch {
            throw QueueError(
                .migrationFailed,
                "migration \(migration.version) (\(migration.name)) failed, nothing of it was kept: \(error)",
                underlying: error
            )
        }
    }

    /// What is in the schema before a migration, as the record of it takes it; nil where nothing is on record.
    private func definitions() async throws(QueueError) -> String? {
        do throws(PostgresError) {
            guard try await self.connection.execute(PostgresCall(Statements.definitionsPresent)).bool(0, 0) else {
                return nil
            }
            return try await self.connection.execute(PostgresCall(Statements.definitions)).string(0, 0)
        } catch {
            throw QueueError(error)
        }
    }

    /// The checksums of the applied migrations, by version; empty where there is no schema.
    private func applied() async throws(QueueError) -> [Int32: String] {
        do throws(PostgresError) {
            guard try await self.connection.execute(PostgresCall(Statements.schemaPresent)).bool(0, 0) else {
                return [:]
            }
            let rows = try await self.connection.execute(PostgresCall(Statements.migrationsApplied))
            return Dictionary(uniqueKeysWithValues: (0..<rows.count).map { (rows.integer($0, 0), rows.string($0, 2)) })
        } catch {
            throw QueueError(error)
        }
    }
}

extension Schema.Migration {
    /// - Throws: `.migrationChanged` where what was applied is not this.
    fileprivate func check(_ applied: String?) throws(QueueError) {
        guard applied != self.checksum else { return }
        throw QueueError(
            .migrationChanged,
            "migration \(self.version) (\(self.name)) was applied in another form:"
                + " this program and the database's schema are of different lines"
        )
    }

    init(_ version: Int32, _ name: String, _ script: [UInt8]) {
        self.init(version: version, name: name, script: String(decoding: script, as: UTF8.self))
    }
}
