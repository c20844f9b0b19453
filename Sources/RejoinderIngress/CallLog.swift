import CoreMetrics
import EventQueue
import HTTPTypes
import Logging
import NIOHTTP1
import RejoinderMetrics
import ServiceLifecycle

/// What became of each call: counted, here and by the queue where there was no answer, and written as one line, of many a
/// second only the first.
///
/// The line of a bot break is a warning, of which the first of each second are written as well: neither kind hides the other.
final class CallLog: Sendable {
    private struct Kind: Equatable {
        let endpoint: String
        let status: Int
        let code: String
    }

    /// What else is known of a call that became an event.
    struct Ended {
        /// In the queue, up to its last attempt; nil where that is not known.
        var waited: Duration?
        /// The last; nil where none is known.
        var attempt: Int?
        var error: String?
    }

    /// What is measured of a node's calls.
    private struct NodeCalls: Sendable {
        let counters: Series<Kind, Counter>
        let time: Timer

        init(_ node: String, _ endpoints: EndpointTable) {
            self.counters = Series { kind in
                CallLog.show(node, at: kind.endpoint, endpoints)
                return CallLog.counter(node, kind)
            }
            self.time = Timer(.callDuration, node)
        }
    }

    private let nodes: NodeSeries<NodeCalls>
    /// Of calls that never became events: nobody has looked for their node.
    private let refusals = Series<Kind, Counter> { CallLog.counter("", $0) }
    private let calls = LineSample("calls left out of the log", at: .info)
    private let botBreaks = LineSample("lines of no reply left out of the log", at: .warning)
    private let queue: any CallQueue
    private let logger: Logger

    init(_ queue: any CallQueue, _ endpoints: EndpointTable, _ logger: Logger) {
        self.nodes = NodeSeries { NodeCalls($0, endpoints) }
        self.queue = queue
        self.logger = logger
    }

    /// A call that became an event has its response.
    func replied(to event: NewEvent, _ response: CallResponse, problem: Problem?, _ ended: Ended) {
        let node = self.nodes[event.node]
        let status = problem == .hungUp ? Problem.hungUp.status.code : Int(response.status.code)
        let code = problem?.rawValue ?? "answered"
        node.counters[Kind(endpoint: event.endpoint, status: status, code: code)].increment()
        node.time.record(since: event.received)
        if let problem { self.queue.gaveNoAnswer(problem.rawValue, node: event.node) }
        let botBreak = problem == .hungUp ? nil : problem
        let sample = botBreak == nil ? self.calls : self.botBreaks
        sample.write(botBreak == nil ? "call" : "no reply", to: self.logger) {
            var metadata: Logger.Metadata = [
                "event.id": "\(event.id)", "endpoint": "\(event.endpoint)", "node": "\(event.node)",
                // Not that of the reply that stands in for it.
                "status": .stringConvertible(botBreak?.status.code ?? status), "code": "\(code)",
                "ms": .stringConvertible((ContinuousClock.now - event.received).milliseconds),
            ]
            if let waited = ended.waited { metadata["waited"] = .stringConvertible(waited.milliseconds) }
            if let attempt = ended.attempt { metadata["attempt"] = .stringConvertible(attempt) }
            if let error = ended.error { metadata["error"] = "\(error)" }
            return metadata
        }
    }

    /// A call was refused before it became an event, so long after it had begun to come.
    func refused(_ problem: Problem, at endpoint: Endpoint?, after time: Duration) {
        let path = endpoint?.path ?? ""
        let status = problem.status.code
        self.refusals[Kind(endpoint: path, status: status, code: problem.rawValue)].increment()
        self.queue.gaveNoAnswer(problem.rawValue, node: nil)
        self.calls.write("call", to: self.logger) {
            var metadata: Logger.Metadata = [
                "status": .stringConvertible(status), "code": "\(problem.rawValue)",
                "ms": .stringConvertible(time.milliseconds),
            ]
            if let endpoint { metadata["endpoint"] = "\(endpoint.path)" }
            return metadata
        }
    }

    private static func counter(_ node: String, _ kind: Kind) -> Counter {
        Counter(.calls, kind.endpoint, node, "\(kind.status)", kind.code)
    }

    /// Shows as 0 what a node's calls may end with: without that the first bot breaks would be no increase.
    private static func show(_ node: String, at path: String, _ endpoints: EndpointTable) {
        let hasFallback = endpoints[path]?.fallback != nil
        for problem in Problem.ofNodes {
            let status = hasFallback && problem.hasFallback ? 200 : problem.status.code
            _ = self.counter(node, Kind(endpoint: path, status: status, code: problem.rawValue))
        }
    }
}

extension CallLog: Service {
    /// Once a second says how many lines were left out, also when no further call comes.
    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(1))
                self.calls.close(self.logger)
                self.botBreaks.close(self.logger)
            }
        }
    }
}
