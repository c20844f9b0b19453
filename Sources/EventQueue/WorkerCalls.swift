import PostgresClient

/// The worker's statements with their arguments, in the order of their files' parameters.
extension PostgresCall {
    static func attend(lane: Int32, _ attention: LaneMachine.Attention) -> PostgresCall {
        var arguments = PostgresArguments()
        arguments.append(lane)
        arguments.append(attention.rawValue)
        return PostgresCall(Statements.attend, arguments)
    }

    static var unlisten: PostgresCall { PostgresCall(PostgresStatement(name: "unlisten", sql: "unlisten *")) }

    static var roundTrip: PostgresCall { PostgresCall(PostgresStatement(name: "round_trip", sql: "select")) }

    static func passOn(lane: Int32, after place: Int64) -> PostgresCall {
        var arguments = PostgresArguments()
        arguments.append(lane)
        arguments.append(place)
        return PostgresCall(Statements.passOn, arguments)
    }

    /// A lane can change its attention first.
    ///
    /// With `waiting`, it takes only what has waited for so long; with `proving`, it tells what a ``LowWaterMark`` follows from.
    static func claim(
        worker: Int32,
        lane: LaneOptions,
        count: Int,
        after place: Int64,
        changing attention: (lane: Int32, to: LaneMachine.Attention)? = nil,
        waiting: Duration = .zero,
        proving: Bool = false
    ) -> PostgresCall {
        var arguments = PostgresArguments()
        arguments.append(worker)
        arguments.append(lane.nodes)
        arguments.append(Int32(count))
        arguments.append(place)
        arguments.append(lane.excluding)
        arguments.append(Int32(lane.maxAttempts))
        arguments.append(lane.atMostOnce)
        if let attention {
            arguments.append(attention.lane)
            arguments.append(attention.to.rawValue)
        } else {
            arguments.appendNull()
            arguments.appendNull()
        }
        arguments.append(Int32(clamping: waiting.milliseconds))
        arguments.append(proving)
        return PostgresCall(Statements.claim, arguments)
    }

    static func answer(worker: Int32, _ outcomes: [WorkerTable.Told]) -> PostgresCall {
        let now = ContinuousClock.now
        // Whoever ends several events at once locks them in one order.
        let outcomes = outcomes.sorted { $0.claim.id < $1.claim.id }
        var arguments = PostgresArguments()
        arguments.append(worker)
        arguments.append(uuids: outcomes.map(\.claim.id.halves))
        arguments.append(outcomes.map(\.claim.place))
        arguments.append(outcomes.map(\.outcome.name))
        arguments.append(json: outcomes.map(\.outcome.answer))
        arguments.append(outcomes.map(\.outcome.reason?.code))
        arguments.append(outcomes.map(\.outcome.reason?.error))
        arguments.append(outcomes.map { $0.handled.map { (now - $0.at).microseconds } })
        arguments.append(outcomes.map { $0.handled?.ran.microseconds })
        return PostgresCall(Statements.answer, arguments)
    }

    /// The outcomes, and the wake-up for those that are queued again, in a transaction of its own.
    static func concluding(
        worker: Int32,
        _ outcomes: [WorkerTable.Told]
    ) -> [PostgresCall] {
        let queuedAgain = outcomes.lazy.filter { $0.outcome.goesBack }.map(\.claim.node)
        return [.answer(worker: worker, outcomes)] + (queuedAgain.isEmpty ? [] : [.wake(Array(queuedAgain))])
    }

    static func wake(_ nodes: [String]) -> PostgresCall {
        var arguments = PostgresArguments()
        arguments.append(Array(Set(nodes)))
        return PostgresCall(Statements.wake, arguments)
    }

    static func release(worker: Int32, _ claims: [(id: EventID, place: Int64)]) -> PostgresCall {
        var arguments = PostgresArguments()
        let claims = claims.sorted { $0.id < $1.id }
        arguments.append(worker)
        arguments.append(uuids: claims.map(\.id.halves))
        arguments.append(claims.map(\.place))
        return PostgresCall(Statements.release, arguments)
    }

    static func held(worker: Int32) -> PostgresCall {
        var arguments = PostgresArguments()
        arguments.append(worker)
        return PostgresCall(Statements.held, arguments)
    }
}

extension AttemptOutcome {
    /// As `rejoinder.answer` names it.
    fileprivate var name: String {
        switch self {
        case .answered: "answered"
        case .failed: "failed"
        case .retry: "retry"
        case .expired: "expired"
        }
    }

    fileprivate var answer: [UInt8]? {
        if case .answered(let bytes) = self { bytes } else { nil }
    }

    fileprivate var reason: (code: String, error: String?)? {
        switch self {
        case .failed(let code, let error), .retry(let code, let error): (code, error)
        case .expired: ("expired", nil)
        case .answered: nil
        }
    }
}
