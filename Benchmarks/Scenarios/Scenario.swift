import LoadGenerator
import Stage

/// One thing that is measured, under the letter that its target has.
struct Scenario: Sendable {
    let letter: String
    let title: String
    let measure: @Sendable (Bench) async throws -> [Row]

    /// In the order in which they run.
    static let all = [
        saturation, oneConnection, steadyRate, slowDisk, heldSnapshot, fullTable, waitingHandlers, idleWorkers,
        manyProcesses, idleConnections, slowHandlers, atRest, startUp, watched, newConnections,
    ]
}

extension Bench {
    /// Calls per second that 64 connections get answered, measured where it isn't known yet.
    func saturationRate() async throws -> Double {
        if let saturation { return saturation }
        self.says("the rate at 64 connections")
        let rate = try await Deployment.with(self) { deployment in
            try await deployment.addIngress()
            try await deployment.addWorkers()
            try await deployment.untilReady()
            var load = deployment.load(.closed(connections: 64), seconds: self.seconds(10, quick: 3))
            load.warmUp = 1
            return try await load.run().rate
        }
        self.saturation = rate
        return rate
    }

    /// A rate that targets name, or half of what this machine can do where that is less; with a note that says so.
    func rate(_ wanted: Double) async throws -> (rate: Double, note: String) {
        let half = try await self.saturationRate() / 2
        return wanted <= half
            ? (wanted, "") : (half, "\(wanted.text(0))/s is more than half of what this machine can do")
    }
}

extension Deployment {
    /// One ingress and one worker, ready.
    static func withOneOfEach<Result>(
        _ bench: Bench,
        settings: [String: String] = [:],
        environment: [String: String] = [:],
        workerAdminPort: Int? = nil,
        _ body: (Deployment) async throws -> Result
    ) async throws -> Result {
        try await Deployment.with(bench, settings: settings, environment: environment) { deployment in
            try await deployment.addIngress()
            try await deployment.addWorkers(adminPort: workerAdminPort)
            try await deployment.untilReady()
            return try await body(deployment)
        }
    }

    /// A closed loop at so many connections.
    func measureClosed(_ connections: Int, seconds: Double, newConnections: Bool = false) async throws -> Measurement {
        var load = self.load(.closed(connections: connections), seconds: seconds)
        load.newConnections = newConnections
        load.warmUp = min(3, seconds / 2)
        return try await self.measure(load)
    }

    /// An open loop at so many calls a second.
    func measureOpen(_ rate: Double, seconds: Double) async throws -> Measurement {
        var load = self.load(.open(rate: rate, connections: 2000), seconds: seconds)
        load.warmUp = min(3, seconds / 2)
        return try await self.measure(load)
    }
}
