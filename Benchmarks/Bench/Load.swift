import HaptikWebhook
import LoadGenerator

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

    /// - Throws: `CancellationError` where it was not run to its end.
    func run() async throws -> LoadResult {
        if self.warmUp > 0 {
            var first = self
            first.warmUp = 0
            _ = try await LoadGenerator(try first.plan(seconds: self.warmUp)).run()
        }
        let result = try await LoadGenerator(try self.plan(seconds: self.seconds)).run()
        try Task.checkCancellation()
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
