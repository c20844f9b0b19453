package import PostgresClient

/// The queue as an operator uses it: looks at nodes, events and workers, and steers them.
///
/// Each method is one of the operator's functions or views in SQL, whose words and units it keeps. What changes something
/// leaves a row in `rejoinder.audit`, with the actor and what it came by. Payloads and answers are never read.
///
/// Throws `.refused` with the reason in one line when there is no such thing, or it is in no state for that.
package struct Operator: Sendable {
    package typealias Execute = @Sendable (PostgresCall) async throws(PostgresError) -> PostgresRows

    private let execute: Execute
    private let actor: String
    private let via: String

    /// `actor` is who it is, such as `login@host`, and `via` by what: `cli`, `dashboard`.
    package init(actor: String, via: String, _ execute: @escaping Execute) {
        self.execute = execute
        self.actor = actor
        self.via = via
    }

    package init(_ pool: PostgresPool, actor: String, via: String) {
        self.init(actor: actor, via: via) { call throws(PostgresError) in try await pool.execute(call) }
    }

    package init(_ connection: PostgresConnection, actor: String, via: String) {
        self.init(actor: actor, via: via) { call throws(PostgresError) in try await connection.execute(call) }
    }

    // MARK: Looking

    /// The nodes that were ever called, steered or served, by name.
    package func nodes() async throws(QueueError) -> [Node] {
        try await self.records(Statements.nodes).map(Node.init)
    }

    /// What became of the last hour's events, by node.
    package func overview() async throws(QueueError) -> [Overview] {
        try await self.records(Statements.overview).map(Overview.init)
    }

    /// The last events that failed or expired, newest first.
    package func failures(limit: Int = 5) async throws(QueueError) -> [Failure] {
        var arguments = PostgresArguments()
        arguments.append(Int64(limit))
        return try await self.records(Statements.failures, arguments).map(Failure.init)
    }

    /// What went wrong in the last hour beside the events, latest first.
    package func incidents() async throws(QueueError) -> [Incident] {
        try await self.records(Statements.incidents).map(Incident.init)
    }

    /// The live workers.
    package func workers() async throws(QueueError) -> [Worker] {
        try await self.records(Statements.workers).map(Worker.init)
    }

    /// Events, newest first.
    package func events(_ filter: EventFilter = EventFilter()) async throws(QueueError) -> [Event] {
        var arguments = PostgresArguments()
        arguments.append(filter.state?.rawValue)
        arguments.append(filter.node)
        arguments.append(filter.since / .seconds(1))
        arguments.append(Int64(filter.limit))
        // What is live is soon found in the queue, and what has failed by an index of its own; else only among all that came in.
        let statement =
            switch filter.state {
            case .queued, .running: Statements.liveEvents
            case .failed, .expired, .cancelled: Statements.endedEvents
            case .answered, nil: Statements.events
            }
        return try await self.records(statement, arguments).map(Event.init)
    }

    /// One event; nil where there is none of that id.
    package func event(_ id: EventID) async throws(QueueError) -> Event? {
        var arguments = PostgresArguments()
        arguments.append(id.description)
        return try await self.records(Statements.event, arguments).first.map(Event.init)
    }

    /// The steps of an event's life, in their order.
    package func life(of id: EventID) async throws(QueueError) -> [Step] {
        var arguments = PostgresArguments()
        arguments.append(id.description)
        return try await self.records(Statements.life, arguments).map(Step.init)
    }

    /// What operators did, newest first.
    package func audit(limit: Int = 50) async throws(QueueError) -> [AuditEntry] {
        var arguments = PostgresArguments()
        arguments.append(Int64(limit))
        return try await self.records(Statements.audit, arguments).map(AuditEntry.init)
    }

    private func records(
        _ statement: PostgresStatement,
        _ arguments: PostgresArguments = PostgresArguments()
    ) async throws(QueueError) -> [OperatorFields] {
        do throws(PostgresError) {
            let rows = try await self.execute(PostgresCall(statement, arguments))
            return (0..<rows.count).map { OperatorFields(rows, row: $0) }
        } catch {
            throw QueueError(error)
        }
    }

    // MARK: Steering

    /// Ends a queued or running event; its caller gets a bot break.
    ///
    /// - Returns: the new state, as of the methods below.
    @discardableResult
    package func cancel(_ id: EventID) async throws(QueueError) -> String {
        try await self.call(Statements.cancel) { $0.append(id.description) }
    }

    /// Queues an event again that ended without an answer; nobody waits for it any more.
    ///
    /// One that was started, and may be once only, is started `again` only where that is said.
    @discardableResult
    package func retry(
        _ id: EventID,
        timeLeft: Duration = .seconds(30),
        again: Bool = false
    ) async throws(QueueError) -> String {
        try await self.call(Statements.retry) {
            $0.append(id.description)
            $0.append(Double(timeLeft.milliseconds))
            $0.append(again)
        }
    }

    /// Answers a waiting caller with one message; `status` false makes it Haptik's failure response.
    @discardableResult
    package func answer(_ id: EventID, _ message: String, status: Bool = true) async throws(QueueError) -> String {
        try await self.call(Statements.answerByHand) {
            $0.append(id.description)
            $0.append(message)
            $0.append(status)
        }
    }

    /// Starts nothing of a node any more; callers are refused, or wait until their deadlines.
    @discardableResult
    package func pause(_ node: String, waits: Bool = false) async throws(QueueError) -> String {
        try await self.call(Statements.pause) {
            $0.append(node)
            $0.append(waits)
        }
    }

    @discardableResult
    package func resume(_ node: String) async throws(QueueError) -> String {
        try await self.call(Statements.resume) { $0.append(node) }
    }

    /// How many events of a node may run at once and start a second, over all workers; nil is no limit.
    @discardableResult
    package func limit(_ node: String, running: Int32?, perSecond: Double?) async throws(QueueError) -> String {
        try await self.call(Statements.limit) {
            $0.append(node)
            if let running { $0.append(running) } else { $0.appendNull() }
            if let perSecond { $0.append(perSecond) } else { $0.appendNull() }
        }
    }

    /// Lets a worker finish what it has, and exit.
    @discardableResult
    package func drain(worker: Int32) async throws(QueueError) -> String {
        try await self.call(Statements.drain) { $0.append(worker) }
    }

    /// Actor and origin go along with each call: behind a pooler no session would keep them.
    private func call(
        _ statement: PostgresStatement,
        _ append: (inout PostgresArguments) -> Void
    ) async throws(QueueError) -> String {
        var arguments = PostgresArguments()
        arguments.append(self.actor)
        arguments.append(self.via)
        append(&arguments)
        do throws(PostgresError) {
            return try await self.execute(PostgresCall(statement, arguments)).string(0, 0)
        } catch {
            throw QueueError(error)
        }
    }
}
