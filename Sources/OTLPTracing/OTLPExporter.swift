package import Logging
import ServiceLifecycle
package import Settings
import Tracing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Sends the spans that have ended to a collector, once a second.
///
/// Told by OpenTelemetry's own variables; without an endpoint there is none, and nothing is traced.
package struct OTLPExporter: Service {
    /// How many spans are sent at once.
    private static let most = 1000

    /// What is known of the collector.
    private struct State: Sendable {
        /// The last spans did not reach it.
        var isAway = false
        /// It took the last spans but for some.
        var isRejecting = false
        var pace = SendingPace()
    }

    package let tracer: OTLPTracer
    private let endpoint: OTLPEndpoint
    private let service: String
    private let name: String
    private let logger: Logger

    /// - Parameters:
    ///   - environment: of the process.
    ///   - service: `service.name`, unless `OTEL_SERVICE_NAME` says otherwise.
    ///   - name: of this process.
    ///   - logger: is told once when the collector is away or rejects spans, and when it no longer does.
    /// - Throws: which variable is wrong, and what was expected.
    package init?(environment: [String: String], service: String, name: String, logger: Logger) throws(SettingError) {
        func value(_ variable: String) -> String? { environment[variable].flatMap { $0.isEmpty ? nil : $0 } }
        guard let endpoint = try OTLPEndpoint(environment: environment) else { return nil }
        let ratio = value("OTEL_TRACES_SAMPLER_ARG")
        let part = ratio.flatMap { Double($0) }
        if let ratio, !(part.map { (0...1).contains($0) } ?? false) {
            throw SettingError("OTEL_TRACES_SAMPLER_ARG is \"\(ratio)\", expected a number from 0 to 1")
        }
        self.endpoint = endpoint
        self.service = value("OTEL_SERVICE_NAME") ?? service
        self.name = name
        self.logger = logger
        self.tracer = OTLPTracer(sampler: TraceSampler(ratio: part), buffer: SpanBuffer())
    }

    /// Until graceful shutdown, when what is left is sent.
    package func run() async throws {
        var state = await cancelWhenGracefulShutdown {
            var state = State()
            while !Task.isCancelled {
                try? await Task.sleep(for: state.pace.delay)
                await self.send(&state)
            }
            return state
        }
        // What has ended while the last were on their way.
        if !state.isAway, !Task.isCancelled { await self.send(&state) }
        let (left, dropped) = self.tracer.buffer.take()
        guard !left.isEmpty || dropped > 0 else { return }
        self.logger.warning("spans were dropped", metadata: ["spans": "\(left.count + dropped)"])
    }

    /// What can't be sent now is kept for the next time, as far as there is room.
    private func send(_ state: inout State) async {
        let (ended, dropped) = self.tracer.buffer.take()
        guard !ended.isEmpty || dropped > 0 else { return }
        var (sent, rejected) = (0, 0)
        do {
            let encoder = JSONEncoder()
            encoder.nonConformingFloatEncodingStrategy = .convertToString(
                positiveInfinity: "Infinity",
                negativeInfinity: "-Infinity",
                nan: "NaN"
            )
            for start in stride(from: 0, to: ended.count, by: Self.most) {
                let part = Array(ended[start..<min(start + Self.most, ended.count)])
                let body = try encoder.encode(OTLPRequest(part, service: self.service, name: self.name))
                // The last one is on its way when the task is cancelled already.
                rejected += try await Task { try await self.endpoint.post(Array(body)) }.value
                sent += part.count
            }
            state.pace.goOn()
            if sent > 0 { self.tell(ofRejected: rejected, &state) }
            if dropped > 0 { self.logger.warning("spans were dropped", metadata: ["spans": "\(dropped)"]) }
        } catch {
            if !state.isAway {
                self.logger.warning(
                    "spans don't reach their collector",
                    metadata: ["endpoint": "\(self.endpoint)", "error": "\(error)"]
                )
            }
            state.isAway = true
            let failure = error as? OTLPEndpoint.Failure
            let isWorthTrying = failure?.isPassing ?? !(error is EncodingError)
            if isWorthTrying { state.pace.putOff(by: failure?.retryAfter) } else { state.pace.goOn() }
            // One batch that it refuses for good must not keep the others from it.
            let left = ended.dropFirst(isWorthTrying ? sent : min(sent + Self.most, ended.count))
            self.tracer.buffer.putBack(left, dropped: dropped + ended.count - sent - left.count)
        }
    }

    /// The collector has taken all spans but so many: what is new of that is said.
    private func tell(ofRejected rejected: Int, _ state: inout State) {
        if state.isAway { self.logger.info("spans reach their collector again") }
        state.isAway = false
        if rejected > 0, !state.isRejecting {
            self.logger.warning(
                "the collector rejects spans",
                metadata: ["endpoint": "\(self.endpoint)", "spans": "\(rejected)"]
            )
        } else if rejected == 0, state.isRejecting {
            self.logger.info("the collector takes all spans again")
        }
        state.isRejecting = rejected > 0
    }
}
