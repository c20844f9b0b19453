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
    /// What can't be seen, and what would show it.
    let unseen: String?
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
            (self.warning, self.unseen, self.moreLive) = (nil, nil, nil)
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
        self.unseen = glance.seesSnapshots ? nil : Self.unseen
        // What goes on first, and else in an order that stays.
        let incidents = glance.incidents.map { IncidentRow($0, at: glance.at) }.sorted { $0.code < $1.code }
        self.incidents = incidents.filter(\.isGoingOn) + incidents.filter { !$0.isGoingOn }
        self.live = glance.live.map { LiveRow($0) }
        self.moreLive = Self.more(glance.total.queued + glance.total.running - glance.live.count)
        self.steered = glance.steered.map { SteeredRow($0) }
        self.failures = glance.failures.map { FailureRow($0, at: glance.at, showsError: showsErrors) }
        self.moreNodes = Self.more(glance.total.nodes - glance.nodes.count)
        self.moreWorkers = Self.more(glance.fleet.workers - glance.workers.count)
    }

    private static func more(_ number: Int) -> String? { number > 0 ? Figure.count(number) : nil }

    private static func state(_ sample: Sampler.Sample) -> State {
        if sample.trouble == nil, !sample.isOld { return State(text: "Live", isOld: false) }
        let reason = sample.trouble?.text ?? "The database has not answered yet."
        let figures = sample.glance.map { " Figures are of \(WallTime(milliseconds: $0.at).clock) UTC." } ?? ""
        return State(text: reason + figures, isOld: true)
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

    private static let unseen =
        "Whether another login holds a snapshot is unknown: grant pg_read_all_stats to the login that owns the schema."

    private static func tiles(_ glance: QueueGlance, _ hour: Hour.Minute) -> [Tile] {
        let (total, fleet) = (glance.total, glance.fleet)
        let broken = glance.incidents.filter { $0.about == "call" && $0.lately > 0 }
        let isBreaking = broken.contains { $0.code != "hung_up" && glance.at - $0.lastAt < 60_000 }
        return [
            Tile(
                label: "Calls a second",
                value: Figure.rate(Double(glance.arrivals.calls) / glance.arrivals.seconds),
                note: "last 10 s"
            ),
            Self.answered(hour),
            Tile(
                label: "Without an answer",
                value: Figure.count(broken.reduce(0) { $0 + $1.lately }),
                note: broken.max { $0.lately < $1.lately }.map { "last 5 min; most \($0.code)" } ?? "last 5 min",
                isBad: isBreaking
            ),
            Tile(
                label: "Queued",
                value: Figure.count(total.queued),
                note: "and \(Figure.count(total.running)) in a handler"
            ),
            Tile(
                label: "Oldest queued",
                value: total.oldest.map { Figure.time($0) } ?? "–",
                note: total.oldest == nil ? "none waits" : "since its arrival",
                isBad: (total.oldest ?? 0) > 10_000
            ),
            Tile(
                label: "Slots busy",
                value: "\(Figure.count(fleet.busy)) / \(Figure.count(fleet.slots))",
                note: "of \(Figure.count(fleet.workers)) \(fleet.workers == 1 ? "worker" : "workers")",
                isBad: fleet.workers == 0 || fleet.busy >= fleet.slots
            ),
        ]
    }
}

extension Screen {
    /// Of all calls that came in the last hour; those that were refused at the door have had no answer either.
    fileprivate static func answered(_ hour: Hour.Minute) -> Tile {
        let unanswered = hour.calls - (hour.states["answered"] ?? 0)
        let refused = hour.states["refused"] ?? 0
        return Tile(
            label: "Answered",
            value: Figure.share(hour.states["answered"] ?? 0, of: hour.calls),
            note: unanswered == 0
                ? "last hour"
                : "last hour; \(Figure.count(unanswered)) not"
                    + (refused == 0 ? "" : ", \(Figure.count(refused)) of them refused"),
            isBad: unanswered * 100 > hour.calls
        )
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
