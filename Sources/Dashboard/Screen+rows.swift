import EventQueue

extension Screen {
    struct NodeRow: Sendable {
        let node: String
        let link: String
        let queued: String
        let running: String
        let oldest: String
        let workers: String
        let lacksWorkers: Bool
        /// What waits could run, if there were slots.
        let lacksSlots: Bool
        let isHeldBack: Bool
        /// Nil where none has run for a second.
        let longest: String?
        let isSlow: Bool
        let paused: Bool
        /// What a pause does to callers.
        let pause: String
        let limits: String
        let answered: String
        let unanswered: String
        let hasUnanswered: Bool
        let p50: String
        let p95: String
        let p99: String
        /// Nothing of it in the last hour, and nobody steers it.
        let isQuiet: Bool

        init(_ node: QueueGlance.Node, _ hour: Hour.Minute) {
            let states = hour.nodes[node.node] ?? [:]
            let answered = states["answered"] ?? 0
            let unanswered = states.values.reduce(0, +) - answered
            let times = hour.times[node.node]
            func percentile(_ fraction: Double) -> String { times?.percentile(fraction).map { Figure.time($0) } ?? "–" }
            self.node = node.node
            self.link = URLText.encoded(node.node)
            self.queued = Figure.count(node.queued)
            self.running = Figure.count(node.running)
            self.oldest = node.oldest.map { Figure.time($0) } ?? "–"
            self.workers = Figure.count(node.workers)
            self.lacksWorkers = node.workers == 0
            let waits = (node.oldest ?? 0) > 1000 && node.workers > 0 && !node.paused
            let isAtLimit = node.maxPerSecond != nil || node.maxRunning.map { node.running >= $0 } ?? false
            (self.lacksSlots, self.isHeldBack) = (waits && !isAtLimit, waits && isAtLimit)
            self.longest = node.longest.flatMap { $0 >= 1000 ? Figure.time($0) : nil }
            self.isSlow = (node.longest ?? 0) > 10_000
            self.paused = node.paused
            self.pause = node.waits ? "callers wait" : "callers are refused"
            self.limits = Self.limits(node)
            self.answered = Figure.count(answered)
            self.unanswered = Figure.count(unanswered)
            self.hasUnanswered = unanswered > 0
            self.isQuiet = states.isEmpty && node.queued + node.running == 0 && !node.paused && self.limits == "none"
            (self.p50, self.p95, self.p99) = (percentile(0.5), percentile(0.95), percentile(0.99))
        }

        private static func limits(_ node: QueueGlance.Node) -> String {
            let running = node.maxRunning.map { "\(Figure.count($0)) at once" }
            let perSecond = node.maxPerSecond.map { "\(Figure.rate($0)) a second" }
            let limits = [running, perSecond].compactMap(\.self).joined(separator: ", ")
            return limits.isEmpty ? "none" : limits
        }
    }

    struct WorkerRow: Sendable {
        let id: String
        let name: String
        let host: String
        let nodes: String
        let busy: String
        let slots: String
        /// Of a bar with a width of 100.
        let share: String
        let heartbeat: String
        let missing: Bool
        let draining: Bool
        let version: String

        init(_ worker: QueueGlance.Worker) {
            self.id = String(worker.id)
            self.name = worker.name
            self.host = "\(worker.host), pid \(worker.pid)"
            let more = worker.nodes.count > 5 ? " and \(worker.nodes.count - 4) more" : ""
            let named = worker.nodes.prefix(more.isEmpty ? 5 : 4).joined(separator: ", ")
            self.nodes = worker.nodes == ["*"] ? "any" : named + more
            self.busy = Figure.count(worker.busy)
            self.slots = Figure.count(worker.slots)
            self.share = String(worker.slots > 0 ? min(100, 100 * worker.busy / worker.slots) : 0)
            self.heartbeat = Figure.time(worker.heartbeat)
            self.missing = worker.missing
            self.draining = worker.draining
            self.version = worker.version
        }
    }

    struct IncidentRow: Sendable {
        let about: String
        let code: String
        let nodes: String
        let lately: String
        /// For the last time within a minute.
        let isGoingOn: Bool
        let lastHour: String
        let last: String
        let iso: String
        let processes: String
        let advice: String

        init(_ incident: QueueGlance.Incident, at now: Int64) {
            let last = WallTime(milliseconds: incident.lastAt)
            self.nodes = incident.nodes ?? ""
            self.about = incident.about
            self.code = incident.code
            self.lately = Figure.count(incident.lately)
            self.isGoingOn = now - incident.lastAt < 60_000
            self.lastHour = Figure.count(incident.lastHour)
            self.last = last.clock
            self.iso = last.iso
            self.processes = incident.processes
            self.advice = incident.advice ?? ""
        }
    }

    struct LiveRow: Sendable {
        let id: String
        let node: String
        let state: String
        let attempt: String
        let worker: String
        let age: String
        let isOld: Bool
        let timeLeft: String

        init(_ event: QueueGlance.Live) {
            self.id = event.id
            self.node = event.node
            self.state = event.state
            self.attempt = String(event.attempt)
            self.worker = event.worker ?? ""
            self.age = Figure.time(event.age)
            self.isOld = event.age > 10_000
            self.timeLeft = Figure.time(event.timeLeft)
        }
    }

    struct SteeredRow: Sendable {
        let actor: String
        let action: String
        let target: String
        /// The page of the event, where it was one.
        let event: String?
        let time: String
        let iso: String

        init(_ steered: QueueGlance.Steered) {
            let at = WallTime(milliseconds: steered.at)
            self.actor = "\(steered.actor) (\(steered.via))"
            self.action = steered.action.replacing("_", with: " ")
            self.target = steered.target
            self.event = EventID(steered.target)?.description
            (self.time, self.iso) = (at.iso, at.iso)
        }
    }

    struct FailureRow: Sendable {
        let id: String
        let node: String
        let state: String
        let attempts: String
        let code: String
        let error: String
        let finished: String
        let iso: String

        init(_ failure: QueueGlance.Failure, at now: Int64, showsError: Bool) {
            let finished = WallTime(milliseconds: failure.finished)
            self.id = failure.id
            self.node = failure.node
            self.state = failure.state
            self.attempts = failure.attempt == 1 ? "1 attempt" : "\(failure.attempt) attempts"
            self.code = failure.code ?? ""
            self.error = showsError ? failure.error ?? "" : ""
            self.finished = now - failure.finished < 86_400_000 ? finished.clock : finished.iso
            self.iso = finished.iso
        }
    }
}
