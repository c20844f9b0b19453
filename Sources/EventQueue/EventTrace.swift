package import Tracing

/// The trace that an event is part of, as it is stored with it: a traceparent (W3C Trace Context, version 00).
package enum EventTrace {
    /// What the program has bootstrapped; nil when nothing is to be traced.
    package static var tracer: (any Tracer)? {
        let tracer = InstrumentationSystem.tracer
        return tracer is NoOpTracer ? nil : tracer
    }

    /// Where spans of this trace begin.
    package static func context(of traceparent: String?) -> ServiceContext {
        var context = ServiceContext.topLevel
        guard let traceparent else { return context }
        InstrumentationSystem.instrument.extract(["traceparent": traceparent], into: &context, using: Fields())
        return context
    }

    /// Where spans begin that are not to be recorded.
    package static var unrecorded: ServiceContext {
        let trace: (UInt64, UInt64) = (.random(in: 1 ... .max), .random(in: 1 ... .max))
        return self.context(of: Traceparent(trace: trace, span: .random(in: 1 ... .max), isSampled: false).description)
    }

    /// The same the other way round; nil from a tracer that speaks another language.
    package static func traceparent(of context: ServiceContext) -> String? {
        var fields: [String: String] = [:]
        InstrumentationSystem.instrument.inject(context, into: &fields, using: Fields())
        return fields["traceparent"].flatMap { Traceparent($0)?.description }
    }

    private struct Fields: Extractor, Injector {
        func extract(key: String, from fields: [String: String]) -> String? { fields[key.lowercased()] }

        func inject(_ value: String, forKey key: String, into fields: inout [String: String]) {
            fields[key.lowercased()] = value
        }
    }
}

extension Tracer {
    /// A span of an event's trace that is over: from an instant until now.
    func record(_ name: String, of traceparent: String, since start: ContinuousClock.Instant) {
        let span = self.startSpan(
            name,
            context: EventTrace.context(of: traceparent),
            ofKind: .internal,
            at: DefaultTracerClock.Timestamp(.now - start)
        )
        span.end()
    }
}

extension DefaultTracerClock.Timestamp {
    /// An instant so long ago.
    package init(_ ago: Duration) {
        let (seconds, attoseconds) = ago.components
        let nanoseconds = UInt64(max(0, seconds)) * 1_000_000_000 + UInt64(max(0, attoseconds)) / 1_000_000_000
        self.init(nanosecondsSinceEpoch: DefaultTracerClock.now.nanosecondsSinceEpoch - nanoseconds)
    }
}
