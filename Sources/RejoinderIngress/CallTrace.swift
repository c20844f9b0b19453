import EventQueue
import NIOHTTP1
import Tracing

/// The trace that a call is part of: the caller's, continued; or a new one, where the program has a tracer that records it.
///
/// Of a new one that is not recorded nothing is stored, and nothing made later.
///
/// Made when the call is verified: a stranger's requests make no spans.
struct CallTrace {
    /// What is stored with the event.
    let traceparent: String?
    /// From the request's head to the reply.
    private let span: (any Span)?
    private let tracer: (any Tracer)?

    init(_ event: NewEvent, _ head: HTTPRequestHead, _ tracer: (any Tracer)?) {
        let fields = head.headers["traceparent"]
        self.tracer = tracer
        let given = fields.count == 1 && Traceparent(fields[0]) != nil ? fields[0] : nil
        guard let tracer else {
            self.traceparent = given
            self.span = nil
            return
        }
        let span: any Span = tracer.startSpan(
            "POST \(event.endpoint)",
            context: EventTrace.context(of: given),
            ofKind: .server,
            at: DefaultTracerClock.Timestamp(.now - event.received)
        )
        guard span.isRecording || given != nil else {
            span.end()
            self.traceparent = nil
            self.span = nil
            return
        }
        span.updateAttributes { attributes in
            attributes["http.request.method"] = "POST"
            attributes["url.path"] = event.endpoint
            attributes["rejoinder.event.id"] = "\(event.id)"
            attributes["rejoinder.node"] = event.node
        }
        self.traceparent = EventTrace.traceparent(of: span.context) ?? given
        self.span = span
    }

    /// The reply is out; its outcome was known since this instant.
    func end(status: Int, since outcome: ContinuousClock.Instant) {
        guard let span = self.span else { return }
        let reply: (any Span)? = self.tracer?.startSpan(
            "reply",
            context: span.context,
            ofKind: .internal,
            at: DefaultTracerClock.Timestamp(.now - outcome)
        )
        reply?.end()
        span.attributes["http.response.status_code"] = status
        if status >= 500 { span.setStatus(SpanStatus(code: .error)) }
        span.end()
    }
}
