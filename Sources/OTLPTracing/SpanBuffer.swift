import EventQueue
import Synchronization
import Tracing

/// What is known of a span.
struct SpanRecord: Sendable {
    let own: Traceparent
    let parent: Traceparent?
    var name: String
    let kind: SpanKind
    /// Nanoseconds since 1970.
    let start: UInt64
    var end: UInt64?
    var attributes: SpanAttributes = [:]
    var events: [SpanEvent] = []
    var links: [(Traceparent, SpanAttributes)] = []
    var status: SpanStatus?
}

/// The spans that have ended, until they are sent.
///
/// Bounded: where the collector is away or slow, the oldest stay and what comes then is dropped, and counted.
final class SpanBuffer: Sendable {
    static let most = 10_000

    private struct State {
        var ended: [SpanRecord] = []
        var dropped = 0
    }

    private let state = Mutex(State())

    func add(_ record: SpanRecord) {
        self.state.withLock { state in
            if state.ended.count < Self.most { state.ended.append(record) } else { state.dropped += 1 }
        }
    }

    /// What was taken and could not be sent comes before what has ended since.
    func putBack(_ ended: ArraySlice<SpanRecord>, dropped: Int) {
        self.state.withLock { state in
            let room = max(0, Self.most - ended.count)
            state.dropped += dropped + max(0, state.ended.count - room)
            state.ended = Array(ended + state.ended.prefix(room))
        }
    }

    /// Takes all that there are, and how many were dropped since the last time.
    func take() -> (ended: [SpanRecord], dropped: Int) {
        self.state.withLock { state in
            defer { state = State() }
            return (state.ended, state.dropped)
        }
    }
}
