package import Logging
import PostgresClient

/// The settings that every program has.
package enum CommonSettings {
    package static let logLevel = Setting(
        "log.level",
        help: "How much is logged: trace, debug, info, notice, warning, error, critical. Default: info.",
        expected: "trace, debug, info, notice, warning, error or critical",
        default: Logger.Level.info
    ) { Logger.Level(rawValue: $0.lowercased()) }

    package static let logFormat = Setting(
        "log.format",
        help: "text for people, or json: one object per line. Default: text.",
        expected: "text or json",
        default: LogFormat.text
    ) { LogFormat(rawValue: $0.lowercased()) }

    /// `DATABASE_URL`, the one variable without our prefix: any libpq connection string or URI.
    ///
    /// Nil leaves libpq its own `PG*` variables.
    ///
    /// - Throws: when libpq can't read it, or one of these variables.
    package static func databaseURL(in environment: [String: String]) throws(SettingError) -> String? {
        let text = self.given(self.databaseURLVariable, in: environment)
        try self.check(text, of: self.databaseURLVariable, in: environment)
        return text
    }

    package static let databaseURLVariable = "DATABASE_URL"

    package static let listenURLVariable = "REJOINDER_LISTEN_URL"

    /// Where `DATABASE_URL` is a transaction pooler's: PostgreSQL itself, for what needs a session.
    ///
    /// Never an option: command lines are seen by everybody, and it may hold a password.
    ///
    /// - Throws: when libpq can't read it, or one of its own variables that rules besides.
    package static func listenURL(in environment: [String: String]) throws(SettingError) -> String? {
        try self.connectionString(self.listenURLVariable, in: environment)
    }

    /// A variable that holds a connection string or URI; an empty one counts as not set.
    ///
    /// - Throws: when libpq can't read it, or one of its own variables that rules besides. The text is not shown, since it may
    ///   hold a password.
    package static func connectionString(
        _ variable: String,
        in environment: [String: String]
    ) throws(SettingError) -> String? {
        guard let text = self.given(variable, in: environment) else { return nil }
        try self.check(text, of: variable, in: environment)
        return text
    }

    /// The variable's text; an empty one counts as not set.
    package static func given(_ variable: String, in environment: [String: String]) -> String? {
        environment[variable].flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func check(
        _ text: String?,
        of variable: String,
        in environment: [String: String]
    ) throws(SettingError) {
        let fault: (name: String, reason: String)?
        do throws(PostgresError) {
            fault = try PostgresConfiguration(connectionString: text, applicationName: "").faultyVariable(
                in: environment
            )
        } catch {
            let expected = "expected one such as postgres://LOGIN:PASSWORD@HOST:5432/DATABASE"
            throw SettingError("\(variable) can't be read: \(error.message), \(expected)")
        }
        if let fault { throw SettingError("\(fault.name) \(fault.reason)") }
    }
}

extension Logger {
    /// A program's logger, to standard error.
    package static func program(_ label: String, level: Logger.Level, format: LogFormat = .text) -> Logger {
        var logger = Logger(label: label) { label in
            switch format {
            case .text: StreamLogHandler(label: label, stream: LogStream(format: .text))
            case .json: JSONLogHandler(label: label, stream: LogStream(format: .json))
            }
        }
        logger.logLevel = level
        return logger
    }
}

/// How a program writes its log.
package enum LogFormat: String, Sendable {
    /// For people.
    case text
    /// For machines: one object per line.
    case json
}
