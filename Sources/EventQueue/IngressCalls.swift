import PostgresClient

/// The ingress's statements with their arguments, in the order of their files' parameters.
extension PostgresCall {
    static func enqueue(_ events: [NewEvent], ingress: Int32) -> PostgresCall {
        let now = ContinuousClock.now
        var arguments = PostgresArguments()
        arguments.append(ingress)
        arguments.append(uuids: events.map(\.id.halves))
        arguments.append(events.map(\.endpoint))
        arguments.append(events.map(\.node))
        arguments.append(events.map { Int32(clamping: ($0.deadline - now).milliseconds) })
        arguments.append(json: events.map(\.payload))
        arguments.append(events.map { (now - $0.received).microseconds })
        if events.allSatisfy({ $0.trace == nil }) {
            arguments.appendNull()
        } else {
            arguments.append(events.map(\.trace))
        }
        return PostgresCall(Statements.enqueue, arguments)
    }

    static func results(_ ids: [EventID]) -> PostgresCall {
        var arguments = PostgresArguments()
        arguments.append(uuids: ids.map(\.halves))
        return PostgresCall(Statements.results, arguments)
    }

    static func revive(_ ids: [EventID], ingress: Int32) -> PostgresCall {
        var arguments = PostgresArguments()
        arguments.append(ingress)
        arguments.append(uuids: ids.map(\.halves))
        return PostgresCall(Statements.revive, arguments)
    }

    static func replied(_ replies: [ReplyLog.Entry], ingress: Int32) -> PostgresCall {
        let now = ContinuousClock.now
        var arguments = PostgresArguments()
        arguments.append(ingress)
        arguments.append(uuids: replies.map(\.id.halves))
        arguments.append(replies.map { (now - $0.at).microseconds })
        arguments.append(replies.map { Int32($0.status) })
        return PostgresCall(Statements.replied, arguments)
    }

    static func abandon(_ events: [(id: EventID, as: Abandonment)]) -> PostgresCall {
        var arguments = PostgresArguments()
        // In one order with workers that tell their outcomes.
        let events = events.sorted { $0.id < $1.id }
        arguments.append(uuids: events.map(\.id.halves))
        arguments.append(events.map(\.as.state))
        arguments.append(events.map(\.as.rawValue))
        return PostgresCall(Statements.abandon, arguments)
    }
}

extension EventID {
    /// As a binary `uuid` is written.
    var halves: (high: UInt64, low: UInt64) { (self.high, self.low) }

    init(_ halves: (high: UInt64, low: UInt64)) {
        self.init(high: halves.high, low: halves.low)
    }
}

extension Duration {
    /// Whole milliseconds, rounded down.
    package var milliseconds: Int64 {
        self.components.seconds * 1000 + self.components.attoseconds / 1_000_000_000_000_000
    }

    /// Whole microseconds, up to half an hour.
    var microseconds: Int32 {
        Int32(clamping: self.components.seconds * 1_000_000 + self.components.attoseconds / 1_000_000_000_000)
    }
}
