import PostgresClient

/// The worker's statements with their arguments, in the order of their files' parameters.
extension PostgresCall {
    static func attend(lane: Int32, _ attention: LaneMachine.Attention) -> PostgresCall {
        var arguments = PostgresArguments()
        arguments.append(lane)
        arguments.append(attention.rawValue)
        return PostgresCall(Statements.attend, arguments)
    }

    static func passOn(lane: Int32, after place: Int64) -> PostgresCall {
        var arguments = PostgresArguments()
        arguments.append(lane)
        arguments.append(place)
        return PostgresCall(Statements.passOn, arguments)
    }

    static func claim(worker: Int32, lane: LaneOptions, count: Int, after place: Int64) -> PostgresCall {
        var arguments = PostgresArguments()
        arguments.append(worker)
        arguments.append(lane.nodes)
        arguments.append(Int32(count))
        arguments.append(place)
        arguments.append(lane.excluding)
        arguments.append(Int32(lane.maxAttempts))
        arguments.append(lane.atMostOnce)
        return PostgresCall(Statements.claim, arguments)
    }

    static func answer(worker: Int32, _ outcomes: [(claim: Claim, outcome: AttemptOutcome)]) -> PostgresCall {
        var arguments = PostgresArguments()
        arguments.append(worker)
        arguments.append(uuids: outcomes.lazy.map(\.claim.id.halves))
        arguments.append(outcomes.lazy.map(\.claim.place))
        arguments.append(outcomes.map(\.outcome.name))
        arguments.append(json: outcomes.lazy.map(\.outcome.answer))
        arguments.append(outcomes.lazy.map(\.outcome.reason?.code))
        arguments.append(outcomes.lazy.map(\.outcome.reason?.error))
        return PostgresCall(Statements.answer, arguments)
    }

    /// One call for each ingress that waits, and for each 200 of its events.
    static func settle(_ outcomes: [(claim: Claim, outcome: AttemptOutcome)]) -> [PostgresCall] {
        Dictionary(grouping: outcomes.lazy.map(\.claim).filter { $0.ingress != nil }, by: \.ingress)
            .flatMap { ingress, claims in
                stride(from: 0, to: claims.count, by: 200).map { start in
                    var arguments = PostgresArguments()
                    arguments.append(ingress ?? 0)
                    arguments.append(uuids: claims[start..<min(start + 200, claims.count)].lazy.map(\.id.halves))
                    return PostgresCall(Statements.settle, arguments)
                }
            }
    }

    /// What follows the answers, each in a transaction of its own.
    static func afterwards(_ outcomes: [(claim: Claim, outcome: AttemptOutcome)]) -> [PostgresCall] {
        let queuedAgain = outcomes.lazy.filter { $0.outcome.isRetry }.map(\.claim.node)
        return self.settle(outcomes) + (queuedAgain.isEmpty ? [] : [.wake(Array(queuedAgain))])
    }

    static func release(worker: Int32, _ claims: [(id: EventID, place: Int64)]) -> PostgresCall {
        var arguments = PostgresArguments()
        arguments.append(worker)
        arguments.append(uuids: claims.lazy.map(\.id.halves))
        arguments.append(claims.lazy.map(\.place))
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
        case .released: "released"
        }
    }

    fileprivate var answer: [UInt8]? {
        if case .answered(let bytes) = self { bytes } else { nil }
    }

    fileprivate var reason: (code: String, error: String?)? {
        switch self {
        case .failed(let code, let error), .retry(let code, let error): (code, error)
        case .expired: ("expired", nil)
        case .answered, .released: nil
        }
    }

    fileprivate var isRetry: Bool {
        if case .retry = self { true } else { false }
    }
}
