import RejoinderMetrics
import Stage
import Synchronization

/// Looks at a deployment as its operators do: scrapes every process, and loads every ingress's dashboard.
final class Watcher: Sendable {
    /// How often it looks; a process is a silent one when it does not answer for as long as `HTTP` waits.
    static let interval = Duration.milliseconds(250)

    private enum Place: Hashable {
        case process(port: Int)
        case dashboard(port: Int)
    }

    private struct State {
        var places: Set<Place> = []
        /// What each process that is ready looked like then, and each dashboard that shows figures.
        var scrapes: [Place: Scrape] = [:]
        var pages: [Place: String] = [:]
        var unseen: [Sign]
        var looks = 0
    }

    private let state: Mutex<State>

    init(for signs: [Sign]) {
        self.state = Mutex(State(unseen: signs))
    }

    /// From now on looks at what is behind an admin port too.
    func add(adminPort: Int, hasDashboard: Bool) {
        self.state.withLock { state in
            state.places.insert(.process(port: adminPort))
            if hasDashboard { state.places.insert(.dashboard(port: adminPort)) }
        }
    }

    /// Waits until all were seen as they are without a fault.
    func untilAllKnown() async throws {
        let end = ContinuousClock.now + .seconds(20)
        while true {
            await self.look()
            let unknown = self.state.withLock { $0.places.count - $0.scrapes.count - $0.pages.count }
            if unknown == 0 { return }
            guard ContinuousClock.now < end else {
                throw StageError("\(unknown) admin ports are not as they should be")
            }
            try await Task.sleep(for: Self.interval)
        }
    }

    /// Looks until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            await self.look()
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// Waits until these signs were seen, which may come a few seconds after the fault: a process says what went wrong with
    /// its heartbeat, a dashboard is read every two seconds, and an ingress samples the queue every five.
    func untilSeen(_ signs: [Sign]) async {
        let end = ContinuousClock.now + .seconds(8)
        while self.unseen.contains(where: signs.contains), ContinuousClock.now < end {
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// The signs that it has not seen so far.
    var unseen: [Sign] { self.state.withLock { $0.unseen } }

    /// How often each place was looked at.
    var looks: Int { self.state.withLock { $0.looks } }

    /// At each place once, at all at the same time.
    private func look() async {
        let places = self.state.withLock { $0.places }
        await withDiscardingTaskGroup { group in
            for place in places { group.addTask { await self.look(at: place) } }
        }
        self.state.withLock { $0.looks += 1 }
    }

    private func look(at place: Place) async {
        switch place {
        case .process(let port):
            let now = await HTTP.page("/metrics", port: port).map { Scrape(text: $0) }
            guard !Task.isCancelled else { return }
            self.state.withLock { state in
                if let before = state.scrapes[place] {
                    state.unseen.removeAll { $0.isSeen(in: now, before: before) }
                } else if let now, now[Metric.databaseUp.name] == 1 {
                    state.scrapes[place] = now
                }
            }
        case .dashboard(let port):
            guard let now = await HTTP.page("/", port: port) else { return }
            self.state.withLock { state in
                if let before = state.pages[place] {
                    state.unseen.removeAll { $0.isSeen(on: now, before: before) }
                } else if now.contains("<span class=\"good\">Live</span>") {
                    state.pages[place] = now
                }
            }
        }
    }
}
