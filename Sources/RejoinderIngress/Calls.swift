import EventQueue
import HTTPTypes
import HaptikWebhook
import Logging
import NIOCore
import NIOHTTP1
import Tracing

/// What a call is held to, and where it goes: shared by all connections.
///
/// request → verify → enqueue → … → reply
struct Calls: Sendable {
    private let endpoints: EndpointTable
    let bodyBytes: Int
    /// Of all connections' bodies: those that are not complete.
    let incomplete: Room
    let queue: any CallQueue
    let handover: Handover
    let log: CallLog
    let tracer = EventTrace.tracer

    init(options: IngressOptions, endpoints: EndpointTable, queue: any CallQueue, logger: Logger) {
        self.endpoints = endpoints
        self.bodyBytes = options.bodyBytes
        self.incomplete = Room(of: options.queue.waitingBytes)
        self.queue = queue
        self.handover = Handover(to: queue)
        self.log = CallLog(queue, endpoints, logger)
    }

    /// The endpoint of a request's target, in origin or absolute form (RFC 9112, 3.2).
    func endpoint(of target: String) -> Endpoint? {
        if let endpoint = self.endpoints[target] { return endpoint }
        var path = target[...]
        if !path.hasPrefix("/"), let scheme = path.firstRange(of: "://") {
            path = path[scheme.upperBound...]
            path = path.firstIndex(of: "/").map { path[$0...] } ?? "/"
        }
        return self.endpoints[String(path.prefix { $0 != "?" && $0 != "#" })]
    }

    /// A request that goes no further.
    struct Refusal: Error {
        let problem: Problem
        var detail: String?
    }

    /// The event that a request brings, verified over its exact bytes before anything of them is parsed.
    static func event(
        _ head: HTTPRequestHead,
        _ body: [UInt8],
        _ endpoint: Endpoint,
        arrived: ContinuousClock.Instant
    ) throws(Refusal) -> NewEvent {
        if let verifier = endpoint.verifier {
            let signatures = head.headers["x-hub-signature"]
            guard signatures.count == 1, verifier.verify(header: signatures[0], body: body) else {
                throw Refusal(problem: .signature)
            }
        }
        guard Self.isJSON(head.headers.first(name: "content-type")) else { throw Refusal(problem: .contentType) }
        guard !body.isEmpty else { throw Refusal(problem: .emptyBody) }
        let envelope: Envelope
        do throws(ContractError) {
            envelope = try Envelope(checking: body)
        } catch {
            throw Refusal(problem: .contract, detail: error.message)
        }
        return NewEvent(
            endpoint: endpoint.path,
            node: envelope.node,
            payload: body,
            received: arrived,
            deadline: arrived + endpoint.deadline
        )
    }

    private static func isJSON(_ contentType: String?) -> Bool {
        if contentType == "application/json" { return true }
        guard let type = contentType?.split(separator: ";", maxSplits: 1).first else { return false }
        return type.filter { $0 != " " && $0 != "\t" }.lowercased() == "application/json"
    }

    /// The answer that goes to Haptik byte for byte, or why there is none.
    func reply(to event: NewEvent, _ endpoint: Endpoint, _ ending: Ending) -> CallResponse {
        let problem: Problem
        var ended = CallLog.Ended(waited: ending.waited)
        switch ending.outcome {
        case .answered(let answer, let attempt):
            ended.attempt = attempt
            do throws(ReplyError) {
                // A worker that is not ours, or an operator, may have stored anything.
                try Reply.check(encoded: answer)
                let response = CallResponse.answer(answer)
                self.log.replied(to: event, response, problem: nil, ended)
                return response
            } catch {
                ended.error = "the answer that was stored is no valid reply: \(error)"
                problem = .invalidReply
            }
        case .failed("refused", _): problem = .refused
        case .failed("invalid_reply", _): problem = .invalidReply
        case .failed("worker_lost", _): problem = .workerLost
        case .failed: problem = .handlerFailed
        case .expired: problem = .noReply
        case .cancelled: problem = .cancelled
        case .paused: problem = .paused
        case .abandoned: problem = .hungUp
        case .unserved: problem = .noWorker
        case .unavailable: problem = .databaseAway
        case .overloaded: problem = .overloaded
        case .outOfRoom: problem = .outOfRoom
        case .rejected: problem = .contract
        }
        if case .failed(_, let attempt) = ending.outcome { ended.attempt = attempt }
        var response = CallResponse.problem(problem, event: event.id)
        if let fallback = endpoint.fallback, problem.hasFallback, let answer = try? fallback.encoded() {
            response = .answer(answer, insteadOf: problem)
        }
        self.log.replied(to: event, response, problem: problem, ended)
        return response
    }
}
