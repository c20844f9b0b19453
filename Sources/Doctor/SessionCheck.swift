import Logging
import PostgresClient

/// Whether what needs a session has one: `LISTEN` and session locks, which a transaction pooler takes away.
struct SessionCheck: Sendable {
    private static let name = "pooler"
    /// What tells one database of one server from another, and one start of it.
    private static let identity = PostgresStatement(
        name: "doctor identity",
        sql: "select current_database() || ' ' || extract(epoch from pg_postmaster_start_time())::text"
    )

    let configuration: PostgresConfiguration
    let logger: Logger

    /// `connection` is one by way of `DATABASE_URL`.
    func findings(on connection: PostgresConnection) async -> [Finding] {
        do throws(PostgresError) {
            let lacksSession = try await PostgresConnection.lacksSession(self.configuration.direct, logger: self.logger)
            guard self.configuration.directConnectionString != nil else {
                return [lacksSession ? Self.pooled : Finding(Self.name, .ok, "connections have sessions of their own")]
            }
            if lacksSession { return [Self.pooledTwice] }
            let direct = try await PostgresConnection.connect(self.configuration.direct.careful, logger: self.logger)
            let there = await Self.identity(on: direct)
            await direct.close()
            let here = await Self.identity(on: connection)
            guard try there.get() == here.get() else { return [Self.elsewhere] }
            return [Finding(Self.name, .ok, "REJOINDER_LISTEN_URL leads to PostgreSQL itself")]
        } catch {
            let url = self.configuration.directConnectionString == nil ? "DATABASE_URL" : "REJOINDER_LISTEN_URL"
            let reason = "sessions can't be made: \(error.message)"
            return [Finding(Self.name, .broken, reason, remedy: "\(url)=postgres://LOGIN@HOST:5432/DATABASE")]
        }
    }

    private static let remedy = "REJOINDER_LISTEN_URL=postgres://LOGIN@HOST:5432/DATABASE # PostgreSQL itself"

    private static let pooled = Finding(
        Self.name,
        .warning,
        "DATABASE_URL leads to a transaction pooler: nobody can be called, ingress and workers poll, calls take longer",
        remedy: Self.remedy
    )
    private static let pooledTwice = Finding(
        Self.name,
        .warning,
        "REJOINDER_LISTEN_URL leads to a transaction pooler too: nobody can be called, ingress and workers poll",
        remedy: Self.remedy
    )
    private static let elsewhere = Finding(
        Self.name,
        .broken,
        "REJOINDER_LISTEN_URL and DATABASE_URL lead to different databases: nobody hears what happens in the other",
        remedy: Self.remedy
    )

    private static func identity(on connection: PostgresConnection) async -> Result<String, PostgresError> {
        do throws(PostgresError) {
            return .success(try await connection.execute(PostgresCall(Self.identity)).string(0, 0))
        } catch {
            return .failure(error)
        }
    }
}
