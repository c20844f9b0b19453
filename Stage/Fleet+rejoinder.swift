extension Fleet {
    /// Makes the schema.
    package func migrate(databaseURL: String) async throws {
        let migration = try await self.start(
            Programs.rejoinder,
            ["migrate"],
            environment: ["DATABASE_URL": databaseURL],
            endsWith: 0
        )
        await migration.end()
        guard migration.hasSucceeded else {
            throw StageError("rejoinder migrate failed: \(migration.said)")
        }
    }

    /// Starts an ingress, and waits until it listens; on free ports unless told otherwise.
    package func startIngress(
        _ arguments: [String],
        port: Int = 0,
        adminPort: Int = 0,
        databaseURL: String,
        secret: String,
        environment: [String: String] = [:]
    ) async throws -> Member {
        let member = try await self.start(
            Programs.rejoinder,
            ["ingress", "--http-port", "\(port)", "--admin-port", "\(adminPort)"] + arguments,
            environment: ["DATABASE_URL": databaseURL, "REJOINDER_SECRET": secret].merging(environment) { $1 }
        )
        _ = try await member.port()
        return member
    }
}

extension Member {
    /// Where it listens, as it says itself; an ingress's admin port by " admin.port=".
    package func port(after name: String = " port=", in message: String = "] listening") async throws -> Int {
        let line = try await self.line(containing: message)
        let digits = line.firstRange(of: name).map { line[$0.upperBound...].prefix { $0.isNumber } }
        guard let port = digits.flatMap({ Int($0) }) else { throw StageError("\"\(line)\" has no \"\(name)\"") }
        return port
    }
}
