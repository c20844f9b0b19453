import CoreMetrics
import EventQueue
import HTTPTypes
import Logging
import NIOHTTP1
import RejoinderMetrics
import ServiceLifecycle
import Synchronization

/// What became of each call: counted, here and by the queue where there was no answer, and written as one line, of many a
/// second only the first.
///
/// A bot break has a line of its own already, a warning: it is counted here, and not written a second time.
final class CallLog: Sendable {
    private struct Kind: Equatable {
        let endpoint: String
        let status: Int
        let code: String
    }

    /// What is measured of a node's calls.
    private struct NodeCalls: Sendable {
        let counters: Series<Kind, Counter>
        let time: Timer

        init(_ node: String) {
            self.counters = CallLog.counters(node)
            self.time = Timer(.callDuration, node)
        }
    }

    private let nodes = NodeSeries { NodeCalls($0) }
    /// Of calls that never became events: nobody has looked for their node.
    private let refusals = CallLog.counters("")
    private let sampling = Mutex(LogSampling())
    private let queue: any CallQueue
    private let logger: Logger

    init(_ queue: any CallQueue, _ logger: Logger) {
        self.queue = queue
        self.logger = logger
    }

    /// A call that became an event has its response.
    func replied(
        to event: NewEvent,
        _ response: CallResponse,
        problem: Problem?,
        attempt: Int?,
        arrived: ContinuousClock.Instant
    ) {
        let node = self.nodes[event.node]
        let status = problem == .hungUp ? Problem.hungUp.status.code : Int(response.status.code)
        let code = problem?.rawValue ?? "answered"
        node.counters[Kind(endpoint: event.endpoint, status: status, code: code)].increment()
        node.time.record(since: arrived)
        if let problem { self.queue.gaveNoAnswer(problem.rawValue, node: event.node) }
        guard problem == nil || problem == .hungUp else { return }
        self.write {
            var metadata = Calls.metadata(event, arrived)
            metadata["status"] = .stringConvertible(status)
            metadata["code"] = "\(code)"
            if let attempt { metadata["attempt"] = .stringConvertible(attempt) }
            return metadata
        }
    }

    /// A call was refused before it became an event.
    func refused(_ problem: Problem, at endpoint: Endpoint?) {
        let path = endpoint?.path ?? ""
        let status = problem.status.code
        self.refusals[Kind(endpoint: path, status: status, code: problem.rawValue)].increment()
        self.queue.gaveNoAnswer(problem.rawValue, node: nil)
        self.write {
            var metadata: Logger.Metadata = ["status": .stringConvertible(status), "code": "\(problem.rawValue)"]
            if let endpoint { metadata["endpoint"] = "\(endpoint.path)" }
            return metadata
        }
    }

    private static func counters(_ node: String) -> Series<Kind, Counter> {
        Series { Counter(.calls, $0.endpoint, node, "\($0.status)", $0.code) }
    }

    private func write(_ metadata: () -> Logger.Metadata) {
        guard self.logger.logLevel <= .info else { return }
        let (isWritten, leftOut) = self.sampling.withLock { $0.admits(at: .now) }
        self.say(leftOut)
        if isWritten { self.logger.info("call", metadata: metadata()) }
    }

    private func say(_ leftOut: Int) {
        guard leftOut > 0 else { return }
        self.logger.info("calls left out of the log", metadata: ["calls": .stringConvertible(leftOut)])
    }
}

extension CallLog: Service {
    /// Once a second says how many lines were left out, also when no further call comes.
    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(1))
                self.say(self.sampling.withLock { $0.closed(at: .now) })
            }
        }
    }
}

/// Lets so many lines through in each second, and counts those that it leaves out.
struct LogSampling: Sendable {
    static let mostPerSecond = 100

    private var end: ContinuousClock.Instant?
    private var written = 0
    private var leftOut = 0

    /// Whether a line is written, and how many were left out in a second that has ended since the last call.
    mutating func admits(at now: ContinuousClock.Instant) -> (isWritten: Bool, leftOut: Int) {
        let before = self.closed(at: now)
        if self.end == nil { self.end = now + .seconds(1) }
        guard self.written < Self.mostPerSecond else {
            self.leftOut += 1
            return (false, before)
        }
        self.written += 1
        return (true, before)
    }

    /// How many lines were left out in a second that has ended since the last call.
    mutating func closed(at now: ContinuousClock.Instant) -> Int {
        guard let end, now >= end else { return 0 }
        defer { self = LogSampling() }
        return self.leftOut
    }
}
