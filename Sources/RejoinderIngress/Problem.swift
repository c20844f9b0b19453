import EventQueue
import HTTPTypes
import HaptikWebhook
import Hummingbird

/// Why there is no reply: the statuses that we commit to, each an RFC 9457 problem with a stable code.
enum Problem: String, Sendable, Hashable, CaseIterable {
    case malformedHTTP = "malformed_http"
    case contentType = "content_type"
    case emptyBody = "empty_body"
    case contract
    case refused
    case signature
    case notFound = "not_found"
    case method
    case timeout
    case bodyTooLarge = "body_too_large"
    case contentEncoding = "content_encoding"
    case headTooLarge = "head_too_large"
    case handlerFailed = "handler_failed"
    case invalidReply = "invalid_reply"
    case workerLost = "worker_lost"
    case cancelled
    case overloaded
    case outOfRoom = "out_of_room"
    case noWorker = "no_worker"
    case paused
    case databaseAway = "database_away"
    case noReply = "no_reply"
    case hungUp = "hung_up"

    var status: HTTPResponse.Status {
        switch self {
        case .malformedHTTP, .contentType, .emptyBody, .contract, .refused: .badRequest
        case .signature: .unauthorized
        case .notFound: .notFound
        case .method: .methodNotAllowed
        case .timeout: .requestTimeout
        case .bodyTooLarge: .contentTooLarge
        case .contentEncoding: .unsupportedMediaType
        case .headTooLarge: .requestHeaderFieldsTooLarge
        case .handlerFailed, .invalidReply, .workerLost, .cancelled: .badGateway
        case .overloaded, .outOfRoom, .noWorker, .paused, .databaseAway: .serviceUnavailable
        case .noReply: .gatewayTimeout
        case .hungUp: HTTPResponse.Status(code: 499, reasonPhrase: "Client Closed Request")  // Nobody reads it.
        }
    }

    var title: String {
        switch self {
        case .malformedHTTP: "The request is not valid HTTP."
        case .contentType: "The content type must be application/json."
        case .emptyBody: "The body is empty."
        case .contract: "The body is not an event as Haptik sends it."
        case .refused: "The handler refused the event."
        case .signature: "The signature is missing or wrong."
        case .notFound: "There is no endpoint at this path."
        case .method: "The endpoint takes POST, and GET or HEAD to see that it is there."
        case .timeout: "The request was not complete in time."
        case .bodyTooLarge: "The body is larger than the endpoint takes."
        case .contentEncoding: "The body must not be encoded."
        case .headTooLarge: "The request's head is larger than the endpoint takes."
        case .handlerFailed: "The handler failed, and no attempt is left."
        case .invalidReply: "The handler gave no valid reply."
        case .workerLost: "The worker was lost, and no attempt is left."
        case .cancelled: "An operator cancelled the event."
        case .overloaded: "Too many calls are waiting."
        case .outOfRoom: "The bodies of the calls that wait take all the room there is for them."
        case .noWorker: "No worker serves this node."
        case .paused: "An operator has paused this node."
        case .databaseAway: "The database is away."
        case .noReply: "There was no reply before the deadline."
        case .hungUp: "The caller has hung up."
        }
    }

    /// What a call at an endpoint may be refused for before it is an event.
    static let atTheDoor = [signature, contract, contentType, emptyBody, bodyTooLarge, contentEncoding]

    /// What calls that became events may end with instead of an answer.
    static let ofNodes = [refused] + allCases.filter(\.hasFallback)

    /// Whether it is a bot break of our making, which an endpoint's fallback reply may stand in for.
    var hasFallback: Bool {
        switch self.status {
        case .badGateway, .serviceUnavailable, .gatewayTimeout: true
        default: false
        }
    }

    /// `application/problem+json`.
    ///
    /// A wrong signature always gets the same body. The detail is in our own words, never the sender's values.
    func body(event: EventID? = nil, detail: String? = nil) -> String {
        var body = #"{"type":"urn:rejoinder:problem:\#(self.rawValue)","title":"\#(self.title)","#
        body += #""status":\#(self.status.code),"code":"\#(self.rawValue)""#
        if let detail { body += #","detail":\#(String(decoding: JSONValue.string(detail).encoded(), as: UTF8.self))"# }
        if let event { body += #","event":"\#(event)""# }
        return body + "}"
    }

    var fields: HTTPFields {
        var fields = HTTPFields()
        fields[.contentType] = "application/problem+json"
        if self == .method { fields[.allow] = "GET, HEAD, POST" }
        if self.status == .serviceUnavailable { fields[.retryAfter] = "1" }
        return fields
    }

    /// For the private port, which Hummingbird serves.
    func response() -> Response {
        Response(
            status: self.status,
            headers: self.fields,
            body: ResponseBody(byteBuffer: ByteBuffer(string: self.body()))
        )
    }
}
