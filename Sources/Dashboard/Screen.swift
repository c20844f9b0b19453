import EventQueue
import PostgresClient

/// What the live part of the page shows of a sample, as text: the templates only lay it out.
struct Screen: Sendable {
    struct State: Sendable {
        let text: String
        /// The figures are old.
        let isOld: Bool
    }

    struct Tile: Sendable {
        let label: String
        let value: String
        let note: String
        var isBad = false
    }

    let state: State
    let stamp: String?
    let tiles: [Tile]
    let hasFigures: Bool
    let calls: CallsChart?
    let times: [TimesChart]
    let nodes: [NodeRow]
    let moreNodes: String?
    let workers: [WorkerRow]
    let moreWorkers: String?
    /// What is not as it should be with the database, whatever the queue does.
    let warning: String?
    let incidents: [IncidentRow]
    let live: [LiveRow]
    let moreLive: String?
    let steered: [SteeredRow]
    let failures: [FailureRow]
    let hasNodes: Bool
    let hasWorkers: Bool
    let hasIncidents: Bool
    let hasLive: Bool
    let hasSteered: Bool
    let hasFailures: Bool
    /// Whether who looks may act.
    let mayAct: Bool

    /// With `showsErrors`, what the handlers of failed calls said.
    init(_ sample: Sampler.Sample, mayAct: Bool, showsErrors: Bool) {
        self.mayAct = mayAct
        self.state = Self.state(sample)
        self.hasFigures = sample.glance != nil
        self.hasNodes = sample.glance?.nodes.isEmpty == false
        self.hasWorkers = sample.glance?.workers.isEmpty == false
        self.hasLive = sample.glance?.live.isEmpty == false
        self.hasSteered = sample.glance?.steered.isEmpty == false
        self.hasIncidents = sample.glance?.incidents.isEmpty == false
        self.hasFailures = sample.glance?.failures.isEmpty == false
        guard let glance = sample.glance else {
            (self.stamp, self.calls) = (nil, nil)
            (self.moreNodes, self.moreWorkers) = (nil, nil)
            (self.tiles, self.times, self.nodes, self.workers) = ([], [], [], [])
            (self.incidents, self.live, self.steered, self.failures) = ([], [], [], [])
            (self.warning, self.moreLive) = (nil, nil)
            return
        }
        let total = sample.hour.total
        self.stamp = WallTime(milliseconds: glance.at).clock
        self.tiles = Self.tiles(glance, total)
        self.calls = CallsChart(sample.hour, at: glance.at)
        self.times = TimesChart.charts(sample.hour, at: glance.at)
        // In an order that stays: those that are called or steered, and then those that are quiet, by name.
        let rows = glance.nodes.sorted { $0.node < $1.node }.map { NodeRow($0, total) }
        self.nodes = rows.filter { !$0.isQuiet } + rows.filter(\.isQuiet)
        self.workers = glance.workers.map { WorkerRow($0) }
        self.warning = glance.snapshot.flatMap { Self.warning($0) }
        // What goes on first, and else in an order that stays.
        let incidents = glance.incidents.map { IncidentRow($0, at: glance.at) }.sorted { $0.code < $1.code }
        self.incidents = incidents.filter(\.isGoingOn) + incidents.filter { !$0.isGoingOn }
        self.live = glance.live.map { LiveRow($0) }
        let allLive = glance.nodes.reduce(0) { $0 + $1.queued + $1.running }
        self.moreLive = Self.more(allLive - glance.live.count)
        self.steered = glance.steered.map { SteeredRow($0) }
        self.failures = glance.failures.map { FailureRow($0, at: glance.at, showsError: showsErrors) }
        self.moreNodes = Self.more(glance.nodeCount - glance.nodes.count)
        self.moreWorkers = Self.more(glance.workerCount - glance.workers.count)
    }

    private static func more(_ number: Int) -> String? { number > 0 ? Figure.count(number) : nil }

    private static func state(_ sample: Sampler.Sample) -> State {
        guard let trouble = sample.trouble else { return State(text: "Live", isOld: false) }
        let figures = sample.glance.map { " Figures are of \(WallTime(milliseconds: $0.at).clock) UTC." } ?? ""
        return State(text: trouble.text + figures, isOld: true)
    }

    /// Of a transaction that has been open for a minute.
    private static func warning(_ snapshot: QueueGlance.Snapshot) -> String? {
        guard snapshot.openFor >= 60_000 else { return nil }
        let what = [snapshot.login, snapshot.application, snapshot.state].compactMap(\.self).filter { !$0.isEmpty }
        let whose = snapshot.pid.map { "pid \($0), " } ?? ""
        let end =
            snapshot.pid.map { "select pg_terminate_backend(\($0))" }
            ?? "rollback prepared '\(snapshot.application ?? "")'"
        return
            "A transaction has been open for \(Figure.time(snapshot.openFor)) (\(whose)\(what.joined(separator: ", "))): "
            + "nothing that is done with can be cleaned away, and tables grow. Ask whose it is; to end it: \(end)"
    }

    private static func tiles(_ glance: QueueGlance, _ hour: Hour.Minute) -> [Tile] {
        let queued = glance.nodes.reduce(0) { $0 + $1.queued }
        let running = glance.nodes.reduce(0) { $0 + $1.running }
        let oldest = glance.nodes.compactMap(\.oldest).max()
        let slots = glance.workers.reduce(0) { $0 + $1.slots }
        let busy = glance.workers.reduce(0) { $0 + $1.busy }
        let unanswered = hour.calls - (hour.states["answered"] ?? 0)
        let refused = glance.incidents.filter { $0.about == "call" && $0.lately > 0 }
        let isRefusing = refused.contains { $0.code != "hung_up" && glance.at - $0.lastAt < 60_000 }
        return [
            Tile(
                label: "Calls a second",
                value: Figure.rate(Double(glance.arrivals.calls) / glance.arrivals.seconds),
                note: "last 10 s"
            ),
            Tile(
                label: "Answered",
                value: Figure.share(hour.states["answered"] ?? 0, of: hour.calls),
                note: unanswered == 0 ? "last hour" : "last hour; \(Figure.count(unanswered)) not",
                isBad: unanswered * 100 > hour.calls
            ),
            Tile(
                label: "Without an answer",
                value: Figure.count(refused.reduce(0) { $0 + $1.lately }),
                note: refused.max { $0.lately < $1.lately }.map { "last 5 min; most \($0.code)" } ?? "last 5 min",
                isBad: isRefusing
            ),
            Tile(label: "Queued", value: Figure.count(queued), note: "and \(Figure.count(running)) in a handler"),
            Tile(
                label: "Oldest queued",
                value: oldest.map { Figure.time($0) } ?? "–",
                note: oldest == nil ? "none waits" : "since its arrival",
                isBad: (oldest ?? 0) > 10_000
            ),
            Tile(
                label: "Slots busy",
                value: "\(Figure.count(busy)) / \(Figure.count(slots))",
                note: "of \(Figure.count(glance.workerCount)) \(glance.workerCount == 1 ? "worker" : "workers")",
                isBad: glance.workerCount == 0 || busy >= slots
            ),
        ]
    }
}

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
            let isLimited = node.maxRunning != nil || node.maxPerSecond != nil
            (self.lacksSlots, self.isHeldBack) = (waits && !isLimited, waits && isLimited)
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

extension Sampler.Trouble {
    /// What is wrong, and what to do.
    var text: String {
        let since = "\(self.since.clock) UTC"
        switch self.error.underlying?.sqlState {
        case "42501", "42883", "3F000":
            return "This process may not read the queue, or the schema is an older one, since \(since): "
                + "run `rejoinder migrate`, and `rejoinder grant LOGIN ingress` for its login."
        default:
            let error = "\(self.error)"
            return "The database has been away since \(since): \(error)\(error.last?.isPunctuation == true ? "" : ".")"
        }
    }
}
