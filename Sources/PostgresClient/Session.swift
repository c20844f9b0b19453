import CLibPQ
import Logging

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// libpq itself: owns the `PGconn`, and belongs to one `PostgresConnection`, on whose queue all of it runs.
final class Session {
    private var connection: OpaquePointer?
    private let logger: Logger
    /// Why the server ends the connection, where it has said so: libpq's own words are that it is lost.
    private var ending: PostgresError?
    /// What libpq has read may be less than what it has been sent: OpenSSL hands on a record of up to 16 KiB in parts, and
    /// what is left in it shows on no socket.
    var mayHoldBack: Bool { PQsslInUse(self.connection) == 1 }

    init(logger: Logger) {
        self.logger = logger
    }

    deinit {
        self.finish()
    }

    /// The server's process, as it was announced at the start; a pooler makes that up.
    var announcedProcess: Int32 { PQbackendPID(self.connection) }

    /// The host's name, or its address where it has none, and the port.
    var host: (name: String, port: String) {
        func text(_ value: UnsafeMutablePointer<CChar>?) -> String { value.map { String(cString: $0) } ?? "" }
        return (text(PQhost(self.connection)), text(PQport(self.connection)))
    }

    /// How it goes to the server.
    var transport: PostgresTransport { PostgresTransport(of: self.connection) }

    var socket: Int32 { PQsocket(self.connection) }

    func finish() {
        PQfinish(self.connection)
        self.connection = nil
    }

    /// Asks the server to end what it does for this connection, on a connection of its own; returns at once.
    ///
    /// A server ends nothing because its client has gone, as long as it waits for a lock or reckons.
    func cancelStatement() {
        guard let made = PQgetCancel(self.connection) else { return }
        // A copy of what it takes, independent of the connection: that thread alone uses it from here on, and frees it.
        nonisolated(unsafe) let cancel = made
        Detached.run {
            var message = [CChar](repeating: 0, count: 256)
            _ = PQcancel(cancel, &message, Int32(message.count))
            PQfreeCancel(cancel)
        }
    }

    // MARK: Connecting

    func open(_ configuration: PostgresConfiguration) throws(PostgresError) {
        // What libpq itself says of a string that it can't read may quote a password.
        _ = try configuration.options()
        let keywords = configuration.keywords
        self.connection = Self.withCStrings(keywords.map(\.0)) { names in
            Self.withCStrings(keywords.map(\.1)) { values in
                PQconnectdbParams(names, values, 1)
            }
        }
        guard PQstatus(self.connection) == CONNECTION_OK else { throw self.failure(.connectionFailed) }
        let version = PQserverVersion(self.connection)
        guard version >= 13_00_00 else {
            throw PostgresError(
                .connectionFailed,
                "PostgreSQL 13 or later is needed, this is \(version / 10_000).\(version % 10_000)"
            )
        }
        self.forwardNotices()
        if !configuration.isPooled {
            let timeout = configuration.statementTimeout.wholeMilliseconds
            // The server, too, notices a peer that has silently gone: until then its locks would stay.
            try self.run(
                script: """
                    set statement_timeout = \(timeout); set idle_in_transaction_session_timeout = \(timeout);
                    set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 3;
                    set tcp_user_timeout = 10000
                    """,
                until: .now + configuration.statementTimeout
            )
        }
        guard PQsetnonblocking(self.connection, 1) == 0, PQenterPipelineMode(self.connection) == 1 else {
            throw self.failure(.connectionFailed)
        }
    }

    /// The server's notices go to the log: warnings as warnings, the rest at debug.
    private func forwardNotices() {
        PQsetNoticeReceiver(
            self.connection,
            { context, result in
                guard let context, let result else { return }
                Unmanaged<Session>.fromOpaque(context).takeUnretainedValue().log(notice: result)
            },
            Unmanaged.passUnretained(self).toOpaque()  // Outlived by this object, which finishes the connection.
        )
    }

    private func log(notice: OpaquePointer) {
        let severity = Self.field(notice, REJOINDER_DIAG_SEVERITY) ?? "NOTICE"
        if Self.endsSession(severity) { self.ending = Self.error(of: notice) }
        // A server that shuts down says so to each of the connections; that they are lost has a line of its own.
        let isEnd = Self.field(notice, REJOINDER_DIAG_SQLSTATE)?.hasPrefix("57P0") ?? false
        self.logger.log(
            level: severity == "WARNING" && !isEnd ? .warning : .debug,
            "PostgreSQL says",
            metadata: [
                "postgres.severity": "\(severity)",
                "postgres.message": "\(Self.field(notice, REJOINDER_DIAG_MESSAGE) ?? "")",
            ]
        )
    }

    // MARK: Statements

    /// Queues a call, preceded by its preparation where this connection has not seen it yet, and ended by a sync, which
    /// makes it a transaction of its own.
    ///
    /// Unnamed, it leaves no prepared statement in the session.
    func send(_ call: PostgresCall, preparing: Bool, isUnnamed: Bool = false) throws(PostgresError) {
        let name = call.statement.name
        if preparing, !isUnnamed, PQsendPrepare(self.connection, name, call.statement.sql, 0, nil) != 1 {
            throw self.failure(.connectionLost)
        }
        let ranges = call.arguments.ranges
        let sent = call.arguments.bytes.withUnsafeBytes { bytes in
            let values = ranges.map { range in
                range.flatMap { bytes.baseAddress?.advanced(by: $0.lowerBound).assumingMemoryBound(to: CChar.self) }
            }
            let lengths = ranges.map { Int32($0?.count ?? 0) }
            let formats = [Int32](repeating: 1, count: ranges.count)
            let count = Int32(ranges.count)
            return isUnnamed
                ? PQsendQueryParams(self.connection, call.statement.sql, count, nil, values, lengths, formats, 1)
                : PQsendQueryPrepared(self.connection, name, count, values, lengths, formats, 1)
        }
        guard sent == 1, PQpipelineSync(self.connection) == 1 else { throw self.failure(.connectionLost) }
    }

    /// The result of the oldest call that was sent, and whether its statement is prepared now.
    func receive(
        preparing: Bool,
        until deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> (result: Result<PostgresRows, PostgresError>, isPrepared: Bool) {
        var outcome: Result<PostgresRows, PostgresError>?
        var isPrepared = !preparing
        while true {
            guard let result = try self.nextResult(until: deadline) else {
                // Ends the results of one statement; on a broken connection nothing more would ever come.
                if PQstatus(self.connection) == CONNECTION_OK { continue }
                throw self.failure(.connectionLost)
            }
            switch PQresultStatus(result) {
            case PGRES_PIPELINE_SYNC:
                PQclear(result)
                return (outcome ?? .failure(PostgresError(.unexpectedResult, "the server sent no result")), isPrepared)
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK:
                // The preparation's own result comes first, and the call's replaces it.
                isPrepared = true
                outcome = .success(PostgresRows(taking: result))
            case PGRES_PIPELINE_ABORTED:
                // Follows the error that aborted it, which is the one to report.
                PQclear(result)
            default:
                let error = Self.error(of: result)
                PQclear(result)
                // Nothing comes after it but the end, of which libpq would say less.
                if error.code == .connectionLost { throw error }
                outcome = .failure(error)
            }
        }
    }

    /// Outside the pipeline, by the simple protocol.
    func run(script: String, until deadline: ContinuousClock.Instant) throws(PostgresError) {
        let wasPipelining = PQpipelineStatus(self.connection) != PQ_PIPELINE_OFF
        guard PQexitPipelineMode(self.connection) == 1, PQsendQuery(self.connection, script) == 1 else {
            throw self.failure(.connectionLost)
        }
        var failure: PostgresError?
        while let result = try self.nextResult(until: deadline) {
            switch PQresultStatus(result) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: break
            default: failure = failure ?? Self.error(of: result)
            }
            PQclear(result)
            if let failure, failure.code == .connectionLost { throw failure }
        }
        if wasPipelining, PQenterPipelineMode(self.connection) != 1 { throw self.failure(.connectionLost) }
        if let failure { throw failure }
    }

    private func nextResult(until deadline: ContinuousClock.Instant) throws(PostgresError) -> OpaquePointer? {
        var isHalfRead = false
        while true {
            let unsent = PQflush(self.connection)
            guard unsent >= 0 else { throw self.failure(.connectionLost) }
            if unsent == 0, PQisBusy(self.connection) == 0 { return PQgetResult(self.connection) }
            if !isHalfRead { try self.waitForSocket(toWrite: unsent == 1, until: deadline) }
            try self.consumeInput()
            isHalfRead = !isHalfRead && self.mayHoldBack
        }
    }

    private func waitForSocket(toWrite: Bool, until deadline: ContinuousClock.Instant) throws(PostgresError) {
        while true {
            let left = deadline - .now
            guard left > .zero else {
                throw PostgresError(.timedOut, "PostgreSQL did not answer in time")
            }
            var descriptor = pollfd(
                fd: PQsocket(self.connection),
                events: Int16(POLLIN) | (toWrite ? Int16(POLLOUT) : 0),
                revents: 0
            )
            let patience = self.mayHoldBack ? min(left, .milliseconds(20)) : left
            let ready = poll(&descriptor, 1, Int32(clamping: patience.wholeMilliseconds + 1))
            if ready > 0 || ready == 0 && self.mayHoldBack { return }
            if ready < 0, errno != EINTR {
                throw PostgresError(.connectionLost, "poll failed: \(errno)")
            }
        }
    }

    // MARK: Input

    func consumeInput() throws(PostgresError) {
        guard PQconsumeInput(self.connection) == 1 else { throw self.failure(.connectionLost) }
    }

    func nextNotification() -> PostgresNotification? {
        guard let notification = PQnotifies(self.connection) else { return nil }
        defer { PQfreemem(notification) }
        return PostgresNotification(
            channel: String(cString: notification.pointee.relname),
            payload: String(cString: notification.pointee.extra)
        )
    }

    // MARK: Errors

    private func failure(_ code: PostgresError.Code) -> PostgresError {
        if let ending, code == .connectionLost { return ending }
        let text = PQerrorMessage(self.connection).map { String(cString: $0) } ?? ""
        let line = text.split(whereSeparator: \.isNewline).joined(separator: "; ")
        return PostgresError(code, line.isEmpty ? "the connection to PostgreSQL failed" : line)
    }

    private static func error(of result: OpaquePointer) -> PostgresError {
        let severity = self.field(result, REJOINDER_DIAG_SEVERITY)
        return PostgresError(
            severity.map(Self.endsSession) ?? true ? .connectionLost : .server,
            self.field(result, REJOINDER_DIAG_MESSAGE)
                ?? PQresultErrorMessage(result).map { String(cString: $0) }?.split(whereSeparator: \.isNewline)
                .joined(separator: "; ") ?? "unknown error",
            sqlState: self.field(result, REJOINDER_DIAG_SQLSTATE),
            severity: severity,
            detail: self.field(result, REJOINDER_DIAG_DETAIL),
            hint: self.field(result, REJOINDER_DIAG_HINT)
        )
    }

    private static func endsSession(_ severity: String) -> Bool { severity == "FATAL" || severity == "PANIC" }

    private static func field(_ result: OpaquePointer, _ code: Int32) -> String? {
        PQresultErrorField(result, code).map { String(cString: $0) }
    }

    private static func withCStrings<R>(
        _ strings: [String],
        _ body: ([UnsafePointer<CChar>?]) -> R
    ) -> R {
        let copies = strings.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        return body(copies.map { UnsafePointer($0) } + [nil])
    }
}

extension Duration {
    fileprivate var wholeMilliseconds: Int64 {
        self.components.seconds * 1000 + self.components.attoseconds / 1_000_000_000_000_000
    }
}
