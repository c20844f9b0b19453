import EventQueue
import HTTPTypes
import HaptikWebhook
import Hummingbird
import Logging

/// The public port: endpoints, and nothing else.
///
/// request → verify → enqueue → … → reply
struct IngressResponder: HTTPResponder {
    private let endpoints: [String: Endpoint]
    private let bodyBytes: Int
    private let queue: IngressQueue
    private let hangUps: HangUps
    private let logger: Logger

    init(options: IngressOptions, queue: IngressQueue, hangUps: HangUps, logger: Logger) {
        self.endpoints = Dictionary(options.endpoints.map { ($0.path, $0) }) { first, _ in first }
        self.bodyBytes = options.bodyBytes
        self.queue = queue
        self.hangUps = hangUps
        self.logger = logger
    }

    func respond(to request: Request, context: IngressContext) async throws -> Response {
        let arrived = ContinuousClock.now
        guard let endpoint = self.endpoints[request.uri.path] else { return Problem.notFound.response() }
        switch request.method {
        case .post: break
        case .get: return Self.greeting(withBody: true)
        case .head: return Self.greeting(withBody: false)
        default: return Problem.method.response()
        }
        let body: [UInt8]
        let envelope: Envelope
        do throws(Refusal) {
            body = try await self.read(request)
            envelope = try Self.check(request, body, endpoint)
        } catch {
            return error.response
        }
        let event = NewEvent(
            endpoint: endpoint.path,
            node: envelope.node,
            payload: body,
            deadline: arrived + endpoint.deadline
        )
        let outcome = await self.hangUps.watching(context.channel) {
            self.queue.abandon(event.id)
        } _: {
            await self.queue.outcome(of: event)
        }
        return self.reply(outcome, event, endpoint, arrived)
    }

    private static func greeting(withBody: Bool) -> Response {
        let text = ByteBuffer(string: "Rejoinder answers Haptik's webhook calls here.\n")
        var headers = HTTPFields()
        headers[.contentType] = "text/plain; charset=utf-8"
        return Response(status: .ok, headers: headers, body: withBody ? ResponseBody(byteBuffer: text) : ResponseBody())
    }

    // MARK: Request

    /// A request that goes no further.
    private struct Refusal: Error {
        let response: Response

        init(_ problem: Problem, detail: String? = nil, closing: Bool = false) {
            self.response = problem.response(detail: detail, closing: closing)
        }
    }

    private func read(_ request: Request) async throws(Refusal) -> [UInt8] {
        if request.headers[.contentEncoding] != nil { throw Refusal(.contentEncoding, closing: true) }
        let length = request.headers[.contentLength].flatMap { Int($0) }
        if let length, length > self.bodyBytes { throw Refusal(.bodyTooLarge, closing: true) }
        var body: [UInt8] = []
        body.reserveCapacity(length ?? 0)
        do {
            for try await buffer in request.body {
                if body.count + buffer.readableBytes > self.bodyBytes { throw Refusal(.bodyTooLarge, closing: true) }
                body.append(contentsOf: buffer.readableBytesView)
            }
        } catch let refusal as Refusal {
            throw refusal
        } catch {
            // The connection broke, or its guard has refused the request: nobody reads this.
            throw Refusal(.hungUp, closing: true)
        }
        return body
    }

    /// Verified over the exact bytes, before anything of them is parsed.
    private static func check(
        _ request: Request,
        _ body: [UInt8],
        _ endpoint: Endpoint
    ) throws(Refusal) -> Envelope {
        if let verifier = endpoint.verifier {
            let signatures = request.headers[values: .hubSignature]
            guard signatures.count == 1, verifier.verify(header: signatures[0], body: body) else {
                throw Refusal(.signature)
            }
        }
        guard Self.isJSON(request.headers[.contentType]) else { throw Refusal(.contentType) }
        guard !body.isEmpty else { throw Refusal(.emptyBody) }
        do throws(ContractError) {
            return try Envelope(checking: body)
        } catch {
            throw Refusal(.contract, detail: error.message)
        }
    }

    private static func isJSON(_ contentType: String?) -> Bool {
        guard let type = contentType?.split(separator: ";", maxSplits: 1).first else { return false }
        return type.filter { $0 != " " && $0 != "\t" }.lowercased() == "application/json"
    }

    // MARK: Reply

    private func reply(
        _ outcome: Outcome,
        _ event: NewEvent,
        _ endpoint: Endpoint,
        _ arrived: ContinuousClock.Instant
    ) -> Response {
        let problem: Problem
        switch outcome {
        case .answered(let answer, _):
            self.logger.debug("replied", metadata: Self.metadata(event, arrived))
            return Self.ok(answer)
        case .failed("refused", _): problem = .refused
        case .failed("invalid_reply", _): problem = .invalidReply
        case .failed("worker_lost", _): problem = .workerLost
        case .failed: problem = .handlerFailed
        case .expired: problem = .noReply
        case .cancelled: problem = .cancelled
        case .abandoned: problem = .hungUp
        case .unserved: problem = .noWorker
        case .unavailable: problem = .databaseAway
        case .overloaded: problem = .overloaded
        case .rejected: problem = .contract
        }
        var metadata = Self.metadata(event, arrived)
        metadata["code"] = "\(problem.rawValue)"
        metadata["status"] = "\(problem.status.code)"
        self.logger.log(level: problem == .hungUp ? .debug : .warning, "no reply", metadata: metadata)
        if let fallback = endpoint.fallback, problem.hasFallback, let answer = try? fallback.encoded() {
            return Self.ok(answer, insteadOf: problem)
        }
        return problem.response(event: event.id)
    }

    private static func ok(_ answer: [UInt8], insteadOf problem: Problem? = nil) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = "application/json"
        if let problem { headers[.rejoinderProblem] = problem.rawValue }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer)))
    }

    private static func metadata(_ event: NewEvent, _ arrived: ContinuousClock.Instant) -> Logger.Metadata {
        [
            "event.id": "\(event.id)",
            "endpoint": "\(event.endpoint)",
            "node": "\(event.node)",
            "ms": "\((ContinuousClock.now - arrived).milliseconds)",
        ]
    }
}

extension HTTPField.Name {
    /// Says which problem a fallback reply stands in for.
    fileprivate static let rejoinderProblem = Self.constant("Rejoinder-Problem")
    fileprivate static let hubSignature = Self.constant("X-Hub-Signature")

    private static func constant(_ name: String) -> Self {
        guard let field = Self(name) else { preconditionFailure("\(name) is not a field's name") }
        return field
    }
}
