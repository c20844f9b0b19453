import EventQueue
import HTTPTypes
import NIOCore
import NIOHTTP1

/// A response in full, but for what its connection adds.
struct CallResponse {
    let status: HTTPResponseStatus
    let headers: HTTPHeaders
    let body: ByteBuffer
    /// It is the connection's last.
    var closes = false
    /// Why the call never became an event.
    var refusal: Problem?

    static func answer(_ answer: [UInt8], insteadOf problem: Problem? = nil) -> CallResponse {
        var headers: HTTPHeaders = ["content-type": "application/json"]
        if let problem { headers.add(name: "rejoinder-problem", value: problem.rawValue) }
        return CallResponse(status: .ok, headers: headers, body: ByteBuffer(bytes: answer))
    }

    static func problem(
        _ problem: Problem,
        event: EventID? = nil,
        detail: String? = nil,
        closing: Bool = false
    ) -> CallResponse {
        CallResponse(
            status: HTTPResponseStatus(statusCode: problem.status.code, reasonPhrase: problem.status.reasonPhrase),
            headers: HTTPHeaders(problem.fields.map { ($0.name.rawName, $0.value) }),
            body: ByteBuffer(string: problem.body(event: event, detail: detail)),
            closes: closing,
            refusal: event == nil ? problem : nil
        )
    }

    /// For those who look whether the endpoint is there.
    static let greeting = CallResponse(
        status: .ok,
        headers: ["content-type": "text/plain; charset=utf-8"],
        body: ByteBuffer(string: "Rejoinder answers Haptik's webhook calls here.\n")
    )

    /// Its head, with what every response has.
    func head(date: String) -> HTTPResponseHead {
        var headers = self.headers
        headers.add(name: "content-length", value: "\(self.body.readableBytes)")
        headers.add(name: "date", value: date)
        if self.closes { headers.add(name: "connection", value: "close") }
        return HTTPResponseHead(version: .http1_1, status: self.status, headers: headers)
    }
}
