import EventQueue
import HTTPTypes
import Hummingbird

/// The private port: health, for whoever deploys it.
struct AdminResponder: HTTPResponder {
    /// Whether calls are served.
    let readiness: @Sendable () -> Readiness

    enum Readiness: String, Sendable {
        case ready
        /// Shutting down: callers get their replies, new ones should go elsewhere.
        case stopping
        case databaseAway = "database_away"
    }

    func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        guard request.method == .get || request.method == .head else { return Problem.method.response() }
        switch request.uri.path {
        case "/health/live": return Self.plain(.ok, "live")
        case "/health/ready":
            let readiness = self.readiness()
            return Self.plain(readiness == .ready ? .ok : .serviceUnavailable, readiness.rawValue)
        default: return Problem.notFound.response()
        }
    }

    private static func plain(_ status: HTTPResponse.Status, _ text: String) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = "text/plain; charset=utf-8"
        return Response(
            status: status,
            headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(string: text + "\n"))
        )
    }
}
