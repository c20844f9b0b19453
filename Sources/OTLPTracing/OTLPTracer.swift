import EventQueue
import Synchronization
package import Tracing

/// A tracer whose spans go to an OpenTelemetry collector, and whose contexts travel as W3C Trace Context.
package struct OTLPTracer: Tracer {
    /// Of the traces that begin here; others follow their caller's decision.
    let sampler: TraceSampler
    let buffer: SpanBuffer

    package func startSpan<Instant: TracerInstant>(
        _ operationName: String,
        context: @autoclosure () -> ServiceContext,
        ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant,
        function: String,
        file fileID: String,
        line: UInt
    ) -> OTLPSpan {
        var context = context()
        let parent = context.traceparent
        let own = Traceparent(
            trace: parent?.trace ?? (.random(in: 1 ... .max), .random(in: 1 ... .max)),
            span: .random(in: 1 ... .max),
            isSampled: parent?.isSampled ?? self.sampler.records()
        )
        context.traceparent = own
        return OTLPSpan(
            context: context,
            record: SpanRecord(
                own: own,
                parent: parent,
                name: operationName,
                kind: kind,
                start: instant().nanosecondsSinceEpoch
            ),
            buffer: own.isSampled ? self.buffer : nil
        )
    }

    package func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier,
        into context: inout ServiceContext,
        using extractor: Extract
    ) where Extract.Carrier == Carrier {
        context.traceparent = extractor.extract(key: "traceparent", from: carrier).flatMap { Traceparent($0) }
    }

    package func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext,
        into carrier: inout Carrier,
        using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let own = context.traceparent else { return }
        injector.inject(own.description, forKey: "traceparent", into: &carrier)
    }

    /// The exporter sends what there is every second.
    package func forceFlush() {}
}

/// A span while it is going on, and what is known of it.
package final class OTLPSpan: Span {
    package let context: ServiceContext
    /// Nil when it is not sampled.
    private let buffer: SpanBuffer?
    private let record: Mutex<SpanRecord>

    init(context: ServiceContext, record: SpanRecord, buffer: SpanBuffer?) {
        self.context = context
        self.buffer = buffer
        self.record = Mutex(record)
    }

    package var isRecording: Bool { self.buffer != nil && self.record.withLock { $0.end == nil } }

    package var operationName: String {
        get { self.record.withLock { $0.name } }
        set { self.change { $0.name = newValue } }
    }

    package var attributes: SpanAttributes {
        get { self.record.withLock { $0.attributes } }
        set { self.change { $0.attributes = newValue } }
    }

    package func setStatus(_ status: SpanStatus) { self.change { $0.status = status } }

    package func addEvent(_ event: SpanEvent) { self.change { $0.events.append(event) } }

    package func addLink(_ link: SpanLink) {
        guard let linked = link.context.traceparent else { return }
        self.change { $0.links.append((linked, link.attributes)) }
    }

    /// The error's type alone: its text may quote an event.
    package func recordError<Instant: TracerInstant>(
        _ error: any Error,
        attributes: SpanAttributes,
        at instant: @autoclosure () -> Instant
    ) {
        var attributes = attributes
        attributes["exception.type"] = "\(type(of: error))"
        let event = SpanEvent(name: "exception", at: instant(), attributes: attributes)
        self.change { record in
            record.events.append(event)
            record.status = record.status ?? SpanStatus(code: .error)
        }
    }

    package func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        guard let buffer = self.buffer else { return }
        let end = instant().nanosecondsSinceEpoch
        let ended: SpanRecord? = self.record.withLock { record in
            guard record.end == nil else { return nil }
            record.end = max(end, record.start)
            return record
        }
        if let ended { buffer.add(ended) }
    }

    private func change(_ body: (inout SpanRecord) -> Void) {
        guard self.buffer != nil else { return }
        self.record.withLock { record in
            if record.end == nil { body(&record) }
        }
    }
}

extension ServiceContext {
    private enum TraceparentKey: ServiceContextKey {
        typealias Value = Traceparent
    }

    var traceparent: Traceparent? {
        get { self[TraceparentKey.self] }
        set { self[TraceparentKey.self] = newValue }
    }
}
