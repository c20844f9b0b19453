import EventQueue
import HTTPTypes
import Hummingbird

/// The private port: health for whoever deploys it, metrics for Prometheus; what else is asked for is left to others.
struct AdminResponder: HTTPResponder {
    /// Whether calls are served.
    let readiness: @Sendable () -> Readiness
    /// In Prometheus's text format; nil where there are none.
    let metrics: (@Sendable () -> String)?
    /// Who answers whatever is not ours.
    let others: (any HTTPResponder<BasicRequestContext>)?

    enum Readiness: String, Sendable {
        case ready
        /// Shutting down: callers get their replies, new ones should go elsewhere.
        case stopping
        case databaseAway = "database_away"
    }

    func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        let response = try await self.response(to: request, context: context)
        return request.method == .head ? response.createHeadResponse() : response
    }

    private func response(to request: Request, context: BasicRequestContext) async throws -> Response {
        if let others, !request.uri.path.hasPrefix("/health/"), request.uri.path != "/metrics" {
            return try await others.respond(to: request, context: context)
        }
        guard request.method == .get || request.method == .head else { return Problem.method.response() }
        switch request.uri.path {
        case "/health/live": return Self.plain(.ok, "live")
        case "/health/ready":
            let readiness = self.readiness()
            return Self.plain(readiness == .ready ? .ok : .serviceUnavailable, readiness.rawValue)
        case "/metrics":
            guard let metrics else { return Problem.notFound.response() }
            return Self.page(.ok, type: "text/plain; version=0.0.4; charset=utf-8", metrics())
        default: return Problem.notFound.response()
        }
    }

    private static func plain(_ status: HTTPResponse.Status, _ text: String) -> Response {
        self.page(status, type: "text/plain; charset=utf-8", text + "\n")
    }

    private static func page(_ status: HTTPResponse.Status, type: String, _ text: String) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = type
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
