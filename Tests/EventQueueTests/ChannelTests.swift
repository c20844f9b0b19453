import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("Where a process listens nobody else can find out", .timeLimit(.minutes(10)))
struct ChannelTests {
    private func channel(of process: Int32, _ database: TestDatabase) async throws -> String {
        try #require(try await database.query("select rejoinder.channel(\(process))").first?.first ?? nil)
    }

    @Test("it is told to the process, again after a lost connection, and to none that has its id alone")
    func told() async throws {
        try await TestCluster.withDatabase { database in
            let worker = try await database.asMember(of: "rejoinder_worker").connect()
            func register(as process: Int32?, instance: Int64?) async throws -> (process: Int32, channel: String) {
                let rows = try await worker.query(
                    """
                    select registered::text, channel
                      from rejoinder.register(
                               'worker', 'w', 'h', 1, 'v', process => \(process.map(String.init) ?? "null"),
                               instance => \(instance.map(String.init) ?? "null")
                           )
                    """
                )
                return (try #require(rows[0][0].flatMap { Int32($0) }), try #require(rows[0][1]))
            }
            let first = try await register(as: nil, instance: 1)
            #expect(first.channel.hasPrefix("rejoinder_\(first.process)_"))
            #expect(first.channel.count == "rejoinder_\(first.process)_".count + 32)
            #expect(try await self.channel(of: first.process, database) == first.channel)
            let again = try await register(as: first.process, instance: 1)
            #expect(again == first)
            let other = try await register(as: first.process, instance: 2)
            #expect(other.process != first.process && other.channel != first.channel)
            // Whoever gives no instance takes up nobody's, and nobody his.
            let nameless = try await register(as: nil, instance: nil)
            for instance in [nil, 1] as [Int64?] {
                let taker = try await register(as: nameless.process, instance: instance)
                #expect(taker.process != nameless.process && taker.channel != nameless.channel)
            }
            let suffixes = [first, other].map { $0.channel.split(separator: "_").last }
            #expect(suffixes[0] != suffixes[1])
        }
    }

    @Test("a process that the database does not know has none, and to notify it is no error")
    func unknown() async throws {
        try await TestCluster.withDatabase { database in
            let channels = [try await self.channel(of: 4711, database), try await self.channel(of: 4711, database)]
            #expect(channels[0] != channels[1])
            try await database.query("select rejoinder.tell('{4711}', '{x}')")
        }
    }

    @Test("the statement that listens shows no name to those who monitor the server")
    func statement() async throws {
        try await TestCluster.withDatabase { database in
            let worker = try await database.asMember(of: "rejoinder_worker").connect()
            let process = try await worker.query("select pg_backend_pid()::text")[0][0]
            let news = try await worker.notifications(at: "a channel's name")
            let shown = try await database.query(
                "select query from pg_stat_activity where pid = \(try #require(process))"
            )
            #expect(shown[0][0]?.contains("rejoinder.listen($1)") == true, "\(shown)")
            try await database.query("notify \"a channel's name\", 'news'")
            #expect(try await news.next() == "news")
        }
    }

    @Test("whoever listens hears neither payloads nor answers where he can guess")
    func eavesdropper() async throws {
        try await Rig.run { rig in
            try await rig.withWorker { worker in
                let processes = try [rig.ingress.session, worker.queue.session].map { try #require($0.registration) }
                let reader = try await rig.database.asMember(of: "rejoinder_reader").connect()
                let heard = Mailbox<String>()
                for process in processes {
                    try await reader.run(script: "listen rejoinder_\(process.process)", timeout: .seconds(5))
                }
                try await reader.run(script: "listen heard", timeout: .seconds(5))
                await reader.watch(onNotification: { heard.send($0.payload) }, onClose: { _ in })
                let texts = ["1", "2", "3"]
                for text in texts { #expect(await rig.outcome(of: .sample(text: text)).text == "\"\(text)\"") }
                try await rig.database.query("notify heard, 'the end'")
                #expect(try await heard.next() == "the end")
            }
        }
    }
}
