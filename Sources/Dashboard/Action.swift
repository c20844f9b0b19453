import EventQueue

/// What an operator can do from the dashboard.
enum Action: String, Sendable, CaseIterable {
    case retry, cancel, answer, pause, resume, limit, drain

    struct Field: Sendable {
        let name: String
        let label: String
        var value = ""
        var isText = false
        var isNumber = false
        var isCheck = false
        var isOn = false
    }

    var heading: String {
        switch self {
        case .retry: "Retry an event"
        case .cancel: "Cancel an event"
        case .answer: "Answer an event by hand"
        case .pause: "Pause a node"
        case .resume: "Resume a node"
        case .limit: "Limit a node"
        case .drain: "Drain a worker"
        }
    }

    var explanation: String {
        switch self {
        case .retry:
            "It is queued again with all its attempts. Its caller has had a reply long ago: "
                + "this is for the sake of what the handler does."
        case .cancel: "It ends at once, in the queue or in its handler, and its caller gets a bot break."
        case .answer: "Its caller gets your message as the reply; a handler that runs it is cancelled."
        case .pause: "No event of it is started any more, by any worker, until it is resumed. What runs goes on."
        case .resume: "Its events are started again."
        case .limit:
            "Over all workers. What a limit holds back waits in the queue until its deadline. Empty is no limit."
        case .drain:
            "It claims nothing more, finishes what it has, and exits. Whatever supervises it may start it again."
        }
    }

    var button: String {
        switch self {
        case .retry: "Retry"
        case .cancel: "Cancel the event"
        case .answer: "Send this answer"
        case .pause: "Pause"
        case .resume: "Resume"
        case .limit: "Set the limits"
        case .drain: "Drain"
        }
    }

    /// What it does can't be undone, or somebody feels it.
    var isDestructive: Bool { [.cancel, .pause, .drain].contains(self) }

    var targetKind: String {
        switch self {
        case .retry, .cancel, .answer: "Event"
        case .pause, .resume, .limit: "Node"
        case .drain: "Worker"
        }
    }

    /// The page that one comes from.
    func back(from target: String) -> String {
        self.targetKind == "Event" ? "/event/\(URLText.encoded(target))" : "/"
    }

    /// What the form asks for, with what was given, or is so now.
    func fields(_ given: [String: String]?, now: QueueGlance.Node?) -> [Field] {
        switch self {
        case .cancel, .resume, .drain: return []
        case .retry:
            let label = "Also where it was started, and its handler runs at most once: I know that nothing was done"
            return [Field(name: "again", label: label, isCheck: true, isOn: given?["again"] != nil)]
        case .answer:
            return [
                Field(name: "message", label: "Message", value: given?["message"] ?? "", isText: true),
                Field(
                    name: "failure",
                    label: "As Haptik's failure response (status false)",
                    isCheck: true,
                    isOn: given?["failure"] != nil
                ),
            ]
        case .pause:
            let label = "Callers wait until their deadlines; otherwise they are refused at once (503 paused)"
            return [Field(name: "waits", label: label, isCheck: true, isOn: given?["waits"] != nil)]
        case .limit:
            let running = given?["running"] ?? now?.maxRunning.map { String($0) } ?? ""
            let perSecond = given?["per_second"] ?? now?.maxPerSecond.map { "\($0)" } ?? ""
            return [
                Field(name: "running", label: "At once, at most", value: running, isNumber: true),
                Field(name: "per_second", label: "Started a second, at most", value: perSecond, isNumber: true),
            ]
        }
    }

    /// Why it was not even tried.
    struct Malformed: Error {
        let text: String
    }

    /// Does it.
    ///
    /// - Returns: what to tell the operator.
    func perform(on target: String, _ fields: [String: String], by steering: Operator) async throws -> String {
        switch self {
        case .retry:
            try await steering.retry(Self.event(target), again: fields["again"] != nil)
            return "The event is queued again."
        case .cancel:
            try await steering.cancel(Self.event(target))
            return "The event is cancelled."
        case .answer:
            try await steering.answer(Self.event(target), fields["message"] ?? "", status: fields["failure"] == nil)
            return "The event is answered."
        case .pause:
            try await steering.pause(target, waits: fields["waits"] != nil)
            return "Node \(target) is paused."
        case .resume:
            try await steering.resume(target)
            return "Node \(target) is resumed."
        case .limit:
            let running: Int32? = try Self.number(fields["running"], "At once, at most", "a whole number")
            let perSecond: Double? = try Self.number(fields["per_second"], "Started a second, at most", "a number")
            try await steering.limit(target, running: running, perSecond: perSecond)
            return running == nil && perSecond == nil
                ? "Node \(target) has no limit any more." : "Node \(target) is limited."
        case .drain:
            guard let worker = Int32(target) else { throw Malformed(text: "“\(target)” is not the id of a worker.") }
            try await steering.drain(worker: worker)
            return "Worker \(target) is draining."
        }
    }

    private static func event(_ target: String) throws -> EventID {
        guard let event = EventID(target) else { throw Malformed(text: "“\(target)” is not the id of an event.") }
        return event
    }

    private static func number<Number: LosslessStringConvertible>(
        _ text: String?,
        _ label: String,
        _ expected: String
    ) throws -> Number? {
        guard let text, !text.isEmpty else { return nil }
        guard let number = Number(text) else { throw Malformed(text: "“\(label)” is “\(text)”, expected \(expected).") }
        return number
    }
}
