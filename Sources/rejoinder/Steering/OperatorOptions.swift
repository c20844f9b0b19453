import ArgumentParser
import EventQueue
import Logging
import PostgresClient
import Settings

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What the commands share that look at the queue and steer it.
struct OperatorOptions: ParsableArguments {
    @Flag(help: "Print JSON; the names are those of the columns in SQL, seconds are numbers, times RFC 3339.")
    var json = false

    static var logger: Logger { Logger.program("rejoinder", level: .error) }
    static var database: PostgresConfiguration {
        get throws(SettingError) { try Database.configuration("rejoinder-cli") }
    }

    /// Who calls, as the audit names it.
    static var actor: String {
        let user = getuid()
        let name = getpwuid(user).flatMap { $0.pointee.pw_name }.map { String(cString: $0) }
        return "\(name ?? "uid \(user)")@\(Host.name)"
    }

    /// Runs `body` with the queue, as a login that may do so much.
    func run(as role: QueueRole, _ body: (Operator) async throws -> Void) async throws {
        try await reportingFailures {
            try await Database.withConnection(Self.database, needingSession: false, logger: Self.logger) {
                try await Schema($0).check(for: role)
                try await body(Operator($0, actor: Self.actor, via: "cli"))
            }
        }
    }

    /// Prints a list: all of it as JSON, or some columns as a table.
    func show(_ records: [some OperatorRecord], _ columns: [String], empty: String) {
        if self.json {
            print(JSONListing.array(records))
        } else {
            print(records.isEmpty ? empty : TextTable(records, columns).text)
        }
    }

    /// Carries out what changes something, and prints what has become of its target.
    func change(_ action: String, _ target: String, _ body: (Operator) async throws -> String) async throws {
        try await self.run(as: .operator) { queue in
            let state = try await body(queue)
            if self.json {
                let members = [("action", action), ("target", target), ("state", state)]
                print(JSONListing.object(members.map { ($0, JSONListing.quoted($1)) }))
            } else {
                print("\(target): \(state)")
            }
        }
    }
}

extension EventID {
    /// As an argument.
    static func argument(_ text: String) throws -> EventID {
        guard let id = EventID(text) else {
            throw ValidationError("\"\(text)\" is no event's id, expected a UUID such as `rejoinder events` shows")
        }
        return id
    }
}
