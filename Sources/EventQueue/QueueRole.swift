package import PostgresClient

/// The group roles of the queue: a login that is a member of one can do just its job.
package enum QueueRole: String, Sendable, CaseIterable {
    case ingress, worker, `operator`, reader

    /// As PostgreSQL calls it.
    package var name: String { "rejoinder_\(self.rawValue)" }

    /// What nobody but this role may call, or look at.
    var mainFunction: String {
        switch self {
        case .ingress: "enqueue"
        case .worker: "claim"
        case .operator: "cancel"
        case .reader: "id_at"
        }
    }

    /// Makes a login a member.
    ///
    /// - Returns: false when it was one already.
    /// - Throws: `.noSuchRole` with what to do, for a login or role that there is not.
    @discardableResult
    package func grant(to login: String, on connection: PostgresConnection) async throws(QueueError) -> Bool {
        var arguments = PostgresArguments()
        arguments.append(login)
        arguments.append(self.name)
        let rows: PostgresRows
        do throws(PostgresError) {
            rows = try await connection.execute(PostgresCall(Statements.membership, arguments))
        } catch {
            throw QueueError(error)
        }
        if let missing = self.missing(rows, login) { throw missing }
        if rows.bool(0, 2) { return false }
        do throws(PostgresError) {
            try await connection.run(script: rows.string(0, 3), timeout: .seconds(10))
            return true
        } catch {
            throw QueueError(error)
        }
    }

    private func missing(_ rows: PostgresRows, _ login: String) -> QueueError? {
        if !rows.bool(0, 0) {
            let create = "create role \(rows.string(0, 4)) login password '...'"
            return QueueError(.noSuchRole, "there is no login \"\(login)\": make it first with `\(create)`")
        }
        if !rows.bool(0, 1) {
            let advice = "run `rejoinder migrate` with a login that may create roles"
            return QueueError(.noSuchRole, "there is no role \(self.name): \(advice)")
        }
        return nil
    }
}

extension QueueError {
    /// Of a login that is a member of no role, or of another.
    static func notGranted(_ role: QueueRole?) -> QueueError {
        let word = role?.rawValue ?? "ROLE"
        return QueueError(
            .notGranted,
            "this login may not use the queue\(role.map { " as \($0.rawValue)" } ?? ""): run `rejoinder grant LOGIN \(word)`"
        )
    }
}
