import NIOCore
import NIOPosix

/// Calls an endpoint as a plan says, and counts what comes back.
///
/// One thread does it all, so that as much as possible of the machine is left to what is measured.
package struct LoadGenerator: Sendable {
    private let plan: LoadPlan

    package init(_ plan: LoadPlan) {
        self.plan = plan
    }

    /// Runs the load to its end.
    ///
    /// Cancelled, it ends at once and returns what there is.
    ///
    /// - Throws: `LoadError` where the connections can't be opened.
    package func run() async throws -> LoadResult {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let eventLoop = group.next()
        let result: LoadResult
        do {
            var lines: [Dialer.Line] = []
            for target in self.plan.targets { lines.append(try await Dialer.Line(target, on: eventLoop)) }
            result = try await self.run(lines, on: eventLoop)
        } catch {
            try await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
        return result
    }

    private func run(_ lines: [Dialer.Line], on eventLoop: any EventLoop) async throws -> LoadResult {
        let promise = eventLoop.makePromise(of: LoadResult.self)
        let run = try await eventLoop.submit {
            let dialer = Dialer(lines, timeout: TimeAmount(self.plan.connectTimeout), eventLoop)
            let run = LoadRun(self.plan, dialer, eventLoop, promise)
            run.start()
            return NIOLoopBound(run, eventLoop: eventLoop)
        }.get()
        return try await withTaskCancellationHandler {
            try await promise.futureResult.get()
        } onCancel: {
            eventLoop.execute { run.value.finish() }
        }
    }
}
