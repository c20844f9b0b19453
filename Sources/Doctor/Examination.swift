import EventQueue
package import Logging
package import PostgresClient

/// Looks at a database with the login that it is told, and says what is wrong and what mends it.
///
/// It changes nothing.
package struct Examination: Sendable {
    private let configuration: PostgresConfiguration
    private let showsAddress: Bool
    private let logger: Logger

    /// Hosts are shown by their number unless `showsAddress` is given: a log must not name them.
    package init(_ configuration: PostgresConfiguration, showsAddress: Bool = false, logger: Logger) {
        self.configuration = configuration
        self.showsAddress = showsAddress
        self.logger = logger
    }

    /// All checks of the database, or the quick ones alone.
    package func findings(quickly: Bool) async -> [Finding] {
        let check = HostCheck(
            configuration: self.configuration,
            showsAddress: self.showsAddress,
            logger: self.logger
        )
        let (hosts, primary) = await check.look()
        let refusal: PostgresError
        do throws(PostgresError) {
            let connection = try await self.connect(self.configuration.sessionless)
            let sessions = SessionCheck(configuration: self.configuration, logger: self.logger)
            return await hosts + sessions.findings(on: connection)
                + self.findings(on: connection, self.configuration.sessionless, quickly: quickly)
        } catch {
            refusal = error
        }
        guard let primary else { return hosts + Self.unreached(quickly: quickly) }
        let known = hosts + [check.refusal(refusal)]
        // A setting of the login may keep its sessions from taking writes: it can be looked at in one that takes none.
        do throws(PostgresError) {
            let connection = try await self.connect(primary.configuration)
            let pooler = Finding("pooler", .skipped, "no connection that takes writes can be made")
            return await known + [pooler]
                + self.findings(on: connection, primary.configuration, quickly: quickly)
        } catch {
            return known + Self.unreached(quickly: quickly)
        }
    }

    private func connect(_ configuration: PostgresConfiguration) async throws(PostgresError) -> PostgresConnection {
        try await PostgresConnection.connect(configuration.careful, logger: self.logger)
    }

    private static func unreached(quickly: Bool) -> [Finding] {
        let names = ["pooler", "schema", "clock"] + QueryCheck.all.filter { !quickly || $0.isQuick }.map(\.name)
        return names.map { Finding($0, .skipped, "the database can't be reached") }
    }

    /// What is found on a connection, which is closed then.
    private func findings(
        on first: PostgresConnection,
        _ configuration: PostgresConfiguration,
        quickly: Bool
    ) async -> [Finding] {
        var connection = CheckConnection(first, configuration.careful, logger: self.logger)
        var findings = await connection.findings("clock") { await ClockCheck.findings(on: $0) }
        var hasSchema = true
        findings += await connection.findings("schema") {
            let schema = await Self.schema(on: $0)
            hasSchema = schema.mayBeThere
            return [schema.finding]
        }
        for check in QueryCheck.all where !quickly || check.isQuick {
            if check.needsSchema, !hasSchema {
                findings.append(Finding(check.name, .skipped, "the schema is not what this program needs"))
            } else {
                findings += await connection.findings(check.name) { await check.findings(on: $0) }
            }
        }
        if !quickly {
            findings += await connection.findings("disk") { await DiskCheck.findings(on: $0) }
            findings += await connection.findings("encryption") { await [EncryptionCheck.finding($0.transport)] }
        }
        await connection.close()
        return findings
    }

    /// The quick checks, each finding that wants attention as one warning in the log.
    ///
    /// For a process that starts: beside its work, which never waits for it and never fails by it.
    package func log() async {
        var impatient = self.configuration
        impatient.connectTimeout = .seconds(2)
        impatient.statementTimeout = .seconds(2)
        let examination = Examination(impatient, logger: .quiet)
        // A pooler is told of by those who find it in their way.
        for finding in await examination.findings(quickly: true) where finding.check != "pooler" {
            guard finding.verdict == .warning || finding.verdict == .broken else { continue }
            self.logger.warning(
                "the doctor has found something",
                metadata: [
                    "check": "\(finding.check)", "verdict": "\(finding.verdict.rawValue)",
                    "found": "\(finding.summary)",
                    "remedy": "\(finding.remedy ?? "")",
                ]
            )
        }
    }

    private static func schema(on connection: PostgresConnection) async -> (finding: Finding, mayBeThere: Bool) {
        do throws(QueueError) {
            try await Schema(connection).check()
            let newest = Schema.migrations.last.map { "\($0.version) (\($0.name))" } ?? "none"
            return (Finding("schema", .ok, "it has all migrations of this program, up to \(newest)"), true)
        } catch  where error.code == .notGranted {
            return (Finding("schema", .broken, error.message, remedy: "rejoinder grant LOGIN ROLE"), false)
        } catch  where error.isOfConfiguration {
            return (Finding("schema", .broken, error.message, remedy: "rejoinder migrate"), false)
        } catch  where error.code == .migrationChanged {
            let remedy = "psql -c 'table rejoinder.migration' # then run the release that applied these"
            return (Finding("schema", .broken, error.message, remedy: remedy), false)
        } catch {
            let isTimeout = error.underlying?.isTimeout ?? false
            return (.failed("schema", "\(error)", isTimeout: isTimeout), true)
        }
    }
}

extension Logger {
    /// Says nothing of what goes wrong on the way: it is a finding already.
    package static var quiet: Logger { Logger(label: "doctor") { _ in SwiftLogNoOpLogHandler() } }
}
