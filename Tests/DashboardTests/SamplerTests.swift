import EventQueue
import Logging
import NIOCore
import NIOPosix
import PostgresClient
import TestSupport
import Testing

@testable import Dashboard

@Suite("What is old says so", .timeLimit(.minutes(2)))
struct SamplerTests {
    private static func sampler(_ url: String, _ body: (Sampler) async throws -> Void) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        var configuration = PostgresConfiguration(connectionString: url, applicationName: "test")
        configuration.statementTimeout = .seconds(60)
        let sampler = Sampler(QueueReader(configuration, logger: logger))
        let running = Task { await sampler.run() }
        try await body(sampler)
        running.cancel()
        await running.value
    }

    private static func state(_ sample: Sampler.Sample) -> Screen.State {
        Screen(sample, mayAct: false, showsErrors: false).state
    }

    @Test("of a database that takes connections and says nothing: neither live nor away, and then away")
    func mute() async throws {
        let mute = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .bind(host: "127.0.0.1", port: 0)
            .get()
        let port = try #require(mute.localAddress?.port)
        // Two hosts, each of which is waited for.
        try await Self.sampler("postgres://u@127.0.0.1:\(port),127.0.0.1:\(port)/d") { sampler in
            let first = await sampler.current()
            #expect(first.isOld && first.trouble == nil && first.glance == nil)
            #expect(Self.state(first).text == "The database has not answered yet." && Self.state(first).isOld)
            for await sample in sampler.samples() where sample.trouble != nil {
                #expect(Self.state(sample).text.hasPrefix("The database has been away since "))
                break
            }
        }
        try await mute.close()
    }

    @Test("while a try takes long the last sample comes again, and a stream begins with a fresh one")
    func again() async throws {
        try await TestCluster.withDatabase { database in
            try await Self.sampler(database.url) { sampler in
                let first = await sampler.current()
                #expect(first.glance != nil && !first.isOld && Self.state(first).text == "Live")
                var stream = sampler.samples(beginningWithLatest: true).makeAsyncIterator()
                #expect(await stream.next()?.number == first.number)
                // Whoever reads waits for this lock, as on a server that stands still.
                let holder = try await database.connect()
                let lock = "set idle_in_transaction_session_timeout = 0; begin; lock table rejoinder.outcome"
                try await holder.run(script: lock, timeout: .seconds(5))
                while let sample = await stream.next() {
                    guard sample.isOld else { continue }
                    #expect(sample.glance != nil && sample.trouble == nil)
                    #expect(Self.state(sample).text.hasPrefix("The database has not answered yet. Figures are of "))
                    break
                }
                await holder.close()
            }
        }
    }
}
