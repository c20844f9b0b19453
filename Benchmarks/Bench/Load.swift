import HaptikWebhook
import LoadGenerator
import Synchronization

/// One load on ingresses, or on what stands in for one.
struct Load {
    let urls: [String]
    let pace: LoadPlan.Pace
    var seconds: Double
    var body = SampleCall.echo
    var reply = SampleCall.reply
    var calls: Int?
    var idleConnections = 0
    /// A connection for each call.
    var newConnections = false
    /// As long as that, in the same way, before anything is measured.
    var warmUp = 0.0

    /// Calls that got another's reply, or none, in all loads of this run: whatever it measures, that must not be.
    static let mistakes = Atomic(0)

    /// - Throws: `CancellationError` where it was not run to its end.
    func run() async throws -> LoadResult {
        if self.warmUp > 0 {
            var first = self
            (first.seconds, first.warmUp) = (self.warmUp, 0)
            _ = try await first.run()
        }
        let result = try await LoadGenerator(try self.plan(seconds: self.seconds)).run()
        try Task.checkCancellation()
        Self.mistakes.add(Int(result.wrong + result.failed + result.unanswered), ordering: .relaxed)
        return result
    }

    private func plan(seconds: Double) throws -> LoadPlan {
        var plan = LoadPlan(
            targets: try self.urls.map { try LoadTarget(url: $0) },
            body: Template(self.body),
            expected: self.reply,
            signer: try SignatureVerifier(secrets: [SampleCall.secret]),
            pace: self.pace
        )
        plan.duration = .seconds(seconds)
        plan.calls = self.calls
        plan.idleConnections = self.idleConnections
        plan.newConnections = self.newConnections
        return plan
    }
}
