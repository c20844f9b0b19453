import EventQueue

/// What the page of one event shows, as text.
struct EventView: Sendable {
    struct Facts: Sendable {
        let id: String
        let state: String
        let node: String
        let endpoint: String
        let attempts: String
        let timeLeft: String?
        let reason: String?
        let isLive: Bool
        let mayRetry: Bool
    }

    struct Step: Sendable {
        let step: String
        let after: String
        let took: String
        let by: String
        let detail: String
        /// Of a bar with a width of 100.
        let x: String
        let width: String
    }

    /// Nil where there is no such event, or it could not be read.
    let event: Facts?
    let steps: [Step]
    let hasSteps: Bool
    let mayAct: Bool
    let missing: String

    init(
        _ sight: EventSight?,
        _ life: [Operator.Step],
        mayAct: Bool,
        showsError: Bool = false,
        missing: String = ""
    ) {
        self.event = sight.map { Facts($0, showsError: showsError) }
        self.steps = Self.steps(life)
        self.hasSteps = !life.isEmpty
        self.mayAct = mayAct
        self.missing = missing
    }

    private static func steps(_ life: [Operator.Step]) -> [Step] {
        let total = max(life.compactMap(\.milliseconds).max() ?? 0, 0.001)
        var before = 0.0
        return life.map { step in
            let after = step.milliseconds ?? before
            defer { before = after }
            let took = max(0, after - before)
            let x = min(99, max(0, min(before, after)) / total * 100)
            return Step(
                step: step.step,
                after: step.milliseconds == nil ? "–" : Figure.time(after),
                took: step.milliseconds == nil || step.step == life.first?.step ? "" : Figure.time(took),
                by: step.by ?? "",
                detail: step.detail ?? "",
                x: Figure.decimal(x, 1),
                width: Figure.decimal(max(1, min(100 - x, took / total * 100)), 1)
            )
        }
    }
}

extension EventView.Facts {
    init(_ sight: EventSight, showsError: Bool) {
        self.id = sight.id
        self.state = sight.state
        self.node = sight.node
        self.endpoint = sight.endpoint
        self.attempts = String(sight.attempt)
        self.isLive = sight.state == "queued" || sight.state == "running"
        self.mayRetry = ["failed", "expired", "cancelled"].contains(sight.state)
        self.timeLeft = self.isLive ? Figure.time(sight.timeLeft) : nil
        let reason = [sight.code, showsError ? sight.error : nil].compactMap(\.self).joined(separator: ": ")
        self.reason = reason.isEmpty ? nil : reason
    }
}
