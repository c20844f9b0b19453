import EventQueue
import Logging
import Synchronization

/// What all viewers of one ingress see: read from the database once for all of them, and only while somebody looks.
final class Sampler: Sendable {
    /// How often it reads.
    static let interval = Duration.seconds(2)

    struct Sample: Sendable {
        /// Counts up.
        var number = 0
        /// Nil until something was read.
        var glance: QueueGlance?
        var hour = Hour()
        /// What was wrong with the last try; `glance` is then an old one.
        var trouble: Trouble?
        /// The try after it takes longer than it should.
        var isOld = false
    }

    struct Trouble: Sendable {
        let since: WallTime
        let error: QueueError
    }

    private struct State {
        var sample = Sample()
        var sampledAt: ContinuousClock.Instant?
        /// When viewers last got one.
        var toldAt = ContinuousClock.now
        var lookedAt: ContinuousClock.Instant?
        var viewers: [Int: AsyncStream<Sample>.Continuation] = [:]
        var nextViewer = 0

        /// No older than one that will soon be followed by another.
        var isFresh: Bool { self.sampledAt.map { ContinuousClock.now - $0 < .seconds(4) } ?? false }

        /// The last one that there is, and says so where it is old.
        var latest: Sample {
            var latest = self.sample
            latest.isOld = !self.isFresh
            return latest
        }

        /// Under the lock, so that none gets an older one after a newer.
        mutating func tellViewers() {
            self.toldAt = .now
            for viewer in self.viewers.values { viewer.yield(self.latest) }
        }
    }

    private let reader: QueueReader
    private let state = Mutex(State())
    private let awake: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    init(_ reader: QueueReader) {
        self.reader = reader
        (self.awake, self.wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// How many streams are open.
    var viewers: Int { self.state.withLock { $0.viewers.count } }

    /// Samples while somebody looks, until the task is cancelled.
    func run() async {
        for await _ in self.awake {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.repeatLatest() }
                while !Task.isCancelled, self.isWatched {
                    await self.sample()
                    try? await Task.sleep(for: Self.interval)
                }
                group.cancelAll()
            }
            // Nobody knows whether it lasts.
            self.state.withLock { ($0.sample.trouble, $0.sampledAt) = (nil, nil) }
            await self.reader.closeIdle()
        }
    }

    /// Tells viewers that this process is there, while the database doesn't answer.
    private func repeatLatest() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.interval / 2)
            self.state.withLock { state in
                if state.sampledAt != nil, .now - state.toldAt >= Self.interval * 1.5 { state.tellViewers() }
            }
        }
    }

    /// A sample of now, or after 3 s the last one that there is.
    func current() async -> Sample {
        let fresh = self.state.withLock { state in
            state.lookedAt = .now
            return state.isFresh ? state.sample : nil
        }
        if let fresh { return fresh }
        let next = self.samples()
        return await withTaskGroup(of: Sample?.self) { group in
            group.addTask {
                for await sample in next { return sample }
                return nil
            }
            group.addTask {
                try? await Task.sleep(for: .seconds(3))
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first ?? self.state.withLock { $0.latest }
        }
    }

    /// Each new sample, and the last one again while the next takes its time; who is slow misses some.
    ///
    /// With `beginningWithLatest` the last one comes first, where it is fresh.
    func samples(beginningWithLatest: Bool = false) -> AsyncStream<Sample> {
        let (stream, continuation) = AsyncStream.makeStream(of: Sample.self, bufferingPolicy: .bufferingNewest(1))
        let viewer = self.state.withLock { state in
            if beginningWithLatest, state.isFresh { continuation.yield(state.sample) }
            state.nextViewer += 1
            state.viewers[state.nextViewer] = continuation
            state.lookedAt = .now
            return state.nextViewer
        }
        continuation.onTermination = { [weak self] _ in
            _ = self?.state.withLock { $0.viewers.removeValue(forKey: viewer) }
        }
        self.wake.yield()
        return stream
    }

    /// Someone streams, or has loaded a page just now: without script it is loaded again every few seconds.
    private var isWatched: Bool {
        self.state.withLock { state in
            !state.viewers.isEmpty || state.lookedAt.map { ContinuousClock.now - $0 < .seconds(15) } ?? false
        }
    }

    private func sample() async {
        var sample = self.state.withLock { $0.sample }
        sample.number += 1
        do throws(QueueError) {
            let glance = try await self.reader.glance()
            sample.glance = glance
            if let minutes = sample.hour.due(at: glance.at) {
                sample.hour.take(try await self.reader.minutes(minutes), of: minutes, at: glance.at)
            }
            sample.trouble = nil
        } catch {
            sample.trouble = Trouble(since: sample.trouble?.since ?? .now, error: error)
        }
        self.state.withLock { [sample] state in
            state.sample = sample
            state.sampledAt = .now
            state.tellViewers()
        }
    }
}
