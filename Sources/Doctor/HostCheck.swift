import Logging
import PostgresClient

/// Whether each server that the connection string names can be reached by itself, and which of them takes writes.
struct HostCheck: Sendable {
    private static let name = "hosts"
    private static let role = PostgresStatement(
        name: "doctor host",
        sql: """
            select pg_is_in_recovery(),
                   coalesce(extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::bigint, 0),
                   current_setting('server_version'),
                   coalesce(pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn(), true)
            """
    )

    private enum State: Sendable {
        case primary(version: String)
        case standby(version: String, behind: Int64)
        case unreachable(String)
    }

    let configuration: PostgresConfiguration
    /// Whether hosts are named, which a log must not do.
    let showsAddress: Bool
    let logger: Logger

    /// What is found, and the first host that takes writes.
    func look() async -> (findings: [Finding], primary: PostgresHost?) {
        let hosts: [PostgresHost]
        do throws(PostgresError) { hosts = try self.configuration.hosts() } catch {
            let finding = Finding(
                Self.name,
                .broken,
                "DATABASE_URL can't be read: \(error.message)",
                remedy: "DATABASE_URL=postgres://LOGIN:PASSWORD@HOST:5432/DATABASE"
            )
            return ([finding], nil)
        }
        let states = await withTaskGroup(of: (Int, State).self) { group in
            for (index, host) in hosts.enumerated() { group.addTask { (index, await self.state(of: host)) } }
            return await group.reduce(into: [Int: State]()) { $0[$1.0] = $1.1 }
        }
        let writable = hosts.indices.filter { if case .some(.primary) = states[$0] { true } else { false } }
        let primaries = writable.count
        var findings = hosts.enumerated().compactMap { index, host in
            states[index].map { self.finding(self.title(host, index), host.name, $0, hasPrimary: primaries > 0) }
        }
        if primaries > 1 {
            findings.append(
                Finding(
                    Self.name,
                    .broken,
                    "\(primaries) of the hosts take writes: two queues, and each process picks the first it reaches",
                    remedy: "DATABASE_URL=postgres://LOGIN@PRIMARY,STANDBY/DATABASE # one primary and its standbys"
                )
            )
        }
        return (findings, writable.first.map { hosts[$0] })
    }

    /// A host takes writes, and yet no connection could be made as ingress and workers make theirs.
    func refusal(_ error: PostgresError) -> Finding {
        let summary = "the primary is there, but no connection that takes writes can be made"
        // libpq's reason names each host.
        guard self.showsAddress else { return Finding(Self.name, .broken, summary, remedy: "rejoinder doctor") }
        let remedy = #"show transaction_read_only -- on: see "login's settings"; off: correct DATABASE_URL"#
        return Finding(Self.name, .broken, "\(summary): \(error.message)", remedy: remedy)
    }

    private func title(_ host: PostgresHost, _ index: Int) -> String {
        self.showsAddress ? host.name : "host \(index + 1)"
    }

    private func finding(_ title: String, _ address: String, _ state: State, hasPrimary: Bool) -> Finding {
        switch state {
        case .primary(let version):
            return Finding(Self.name, .ok, "\(title) is the primary, PostgreSQL \(version)")
        case .standby(let version, let behind):
            let lag = behind > 10 ? ", \(behind) s behind" : ""
            let text = "\(title) is a standby, PostgreSQL \(version)\(lag)"
            if !hasPrimary {
                let remedy = "select pg_promote() -- there, or name the primary in DATABASE_URL"
                return Finding(Self.name, .broken, text + "; no host that can be reached takes writes", remedy: remedy)
            }
            guard behind > 60 else { return Finding(Self.name, .ok, text) }
            return Finding(
                Self.name,
                .warning,
                text,
                remedy: "select * from pg_stat_wal_receiver -- there: does it receive?"
            )
        case .unreachable(var reason):
            if !self.showsAddress { reason = reason.replacing("\"\(Self.parts(of: address).host)\" ", with: "") }
            return Finding(
                Self.name,
                hasPrimary ? .warning : .broken,
                "\(title) can't be reached: \(reason)",
                remedy: self.showsAddress ? Self.remedy(for: address) : "rejoinder doctor"
            )
        }
    }

    private static func remedy(for address: String) -> String {
        let (host, port) = self.parts(of: address)
        let place = host.contains(" ") ? "" : "--host=\(host) "
        return "pg_isready \(place)--port=\(port) # then start it, or correct DATABASE_URL"
    }

    private static func parts(of address: String) -> (host: String, port: String) {
        let parts = address.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        return (parts.dropLast().joined(separator: ":"), parts.last ?? "5432")
    }

    private func state(of host: PostgresHost) async -> State {
        do throws(PostgresError) {
            let connection = try await PostgresConnection.connect(host.configuration.careful, logger: self.logger)
            let result = await Self.asked(connection)
            await connection.close()
            return try result.get()
        } catch {
            return .unreachable(Self.reason(error.message))
        }
    }

    private static func asked(_ connection: PostgresConnection) async -> Result<State, PostgresError> {
        do throws(PostgresError) {
            let rows = try await connection.execute(PostgresCall(Self.role))
            let version = rows.string(0, 2)
            guard rows.bool(0, 0) else { return .success(.primary(version: version)) }
            // An idle primary sends nothing: what was received has all been replayed.
            return .success(.standby(version: version, behind: rows.bool(0, 3) ? 0 : rows.integer(0, 1)))
        } catch {
            return .failure(error)
        }
    }

    /// libpq's reason without the address, which it puts before it.
    private static func reason(_ message: String) -> String {
        message.ranges(of: "failed: ").last.map { String(message[$0.upperBound...]) }
            ?? message.split(separator: "; ").last.map(String.init) ?? message
    }
}
