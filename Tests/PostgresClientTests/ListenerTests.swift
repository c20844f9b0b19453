import PostgresClient
import TestSupport
import Testing

@Suite("A listener hears everything while it is connected, and comes back", .timeLimit(.minutes(10)))
struct ListenerTests {
    private enum Heard: Equatable {
        case connected(String)
        case notified(String)
        case disconnected

        var backend: String? { if case .connected(let backend) = self { backend } else { nil } }
    }

    /// Listens on the channel `news` while `body` runs.
    private func listening(
        to database: TestDatabase,
        preparing prepare: @escaping @Sendable (PostgresConnection) async throws(PostgresError) -> Void = { _ in },
        _ body: (Mailbox<Heard>, Task<Void, Never>) async throws -> Void
    ) async throws {
        let heard = Mailbox<Heard>()
        let listener = PostgresListener(PostgresConnector(database.configuration, logger: .silent))
        let task = Task {
            await listener.run { connection throws(PostgresError) in
                try await prepare(connection)
                try await connection.run(script: "listen news", timeout: .seconds(5))
                let backend = try await connection.query("select pg_backend_pid()::text")
                heard.send(.connected("\(backend.first?.first.flatMap(\.self) ?? "")"))
            } onEvent: { event in
                switch event {
                case .connected: return
                case .notification(let notification): heard.send(.notified(notification.payload))
                case .disconnected: heard.send(.disconnected)
                }
            }
        }
        try await body(heard, task)
        task.cancel()
        await task.value
    }

    @Test("notifications come in the order in which they were sent")
    func order() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            try await self.listening(to: database) { heard, _ in
                _ = try #require(try await heard.next().backend)
                let sender = try await database.connect()
                for batch in 0..<5 {
                    try await sender.query(
                        "select pg_notify('news', n::text) from generate_series(\(batch)1, \(batch)9) as n"
                    )
                }
                for batch in 0..<5 {
                    for n in (batch * 10 + 1)...(batch * 10 + 9) {
                        #expect(try await heard.next() == .notified("\(n)"))
                    }
                }
            }
        }
    }

    @Test("after its backend was terminated it connects, prepares and hears again")
    func reconnection() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            try await self.listening(to: database) { heard, _ in
                for _ in 0..<10 {
                    let backend = try #require(try await heard.next().backend)
                    try await database.query("select pg_notify('news', 'to \(backend)')")
                    #expect(try await heard.next() == .notified("to \(backend)"))
                    try await database.query("select pg_terminate_backend(\(backend))::text")
                    #expect(try await heard.next() == .disconnected)
                }
            }
        }
    }

    @Test("where its preparation fails it says so, and tries again")
    func failedPreparation() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            try await self.listening(to: database) { connection throws(PostgresError) in
                try await connection.query("select 'x' from ready")
            } _: { heard, _ in
                #expect(try await heard.next() == .disconnected)
                #expect(try await heard.next() == .disconnected)
                try await database.query("create table ready ()")
                let backend = try await heard.next { $0.backend }
                #expect(backend != "")
            }
        }
    }

    @Test("cancellation stops it and closes its connection")
    func cancellation() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            try await self.listening(to: database) { heard, task in
                let backend = try #require(try await heard.next().backend)
                task.cancel()
                await task.value
                #expect(try await heard.next() == .disconnected)
                try await eventually("the backend is gone") {
                    try await database.query("select 'there' from pg_stat_activity where pid = \(backend)").isEmpty
                }
            }
        }
    }

    @Test("its body runs once on each connection, and is cancelled when that closes")
    func body() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let backends = Mailbox<String>()
            let ends = Mailbox<String>()
            let listener = PostgresListener(PostgresConnector(database.configuration, logger: .silent))
            let task = Task {
                await listener.run(
                    prepare: { _ in },
                    onEvent: { _ in },
                    body: { connection in
                        let backend = try? await connection.query("select pg_backend_pid()::text").first?.first
                        backends.send("\(backend.flatMap(\.self) ?? "")")
                        try? await Task.sleep(for: .seconds(3600))
                        ends.send("\(Task.isCancelled) \(connection.isOpen)")
                    }
                )
            }
            var seen: Set<String> = []
            for _ in 0..<3 {
                let backend = try await backends.next()
                seen.insert(backend)
                try await database.query("select pg_terminate_backend(\(backend))::text")
                #expect(try await ends.next() == "true false")
            }
            #expect(seen.count == 3)
            _ = try await backends.next()
            task.cancel()
            await task.value
            #expect(try await ends.next() == "true true")
        }
    }

    @Test("when its body returns, the connection is closed, and another one is made")
    func bodyReturns() async throws {
        try await TestCluster.withDatabase(migrated: false) { database async throws in
            let heard = Mailbox<String>()
            let listener = PostgresListener(PostgresConnector(database.configuration, logger: .silent))
            let task = Task {
                await listener.run(
                    prepare: { _ in heard.send("prepared") },
                    onEvent: { event in
                        switch event {
                        case .connected: heard.send("connected")
                        case .notification: heard.send("notified")
                        case .disconnected: heard.send("disconnected")
                        }
                    },
                    body: { connection in
                        heard.send("used")
                        _ = try? await connection.query("select 'x'")
                    }
                )
            }
            for _ in 0..<3 {
                for expected in ["prepared", "connected", "used", "disconnected"] {
                    #expect(try await heard.next() == expected)
                }
            }
            task.cancel()
            await task.value
        }
    }

    @Test("it hears while its body uses the connection, and while that waits")
    func bodyAndNotifications() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let heard = Mailbox<String>()
            let used = Mailbox<Void>()
            let (work, signal) = AsyncStream.makeStream(of: Void.self)
            let listener = PostgresListener(PostgresConnector(database.configuration, logger: .silent))
            let task = Task {
                await listener.run(
                    prepare: { connection throws(PostgresError) in
                        try await connection.run(script: "listen news", timeout: .seconds(5))
                    },
                    onEvent: { event in
                        if case .notification(let notification) = event { heard.send(notification.payload) }
                    },
                    body: { connection in
                        for await _ in work {
                            _ = try? await connection.query("select pg_notify('news', 'own')")
                            used.send(())
                        }
                    }
                )
            }
            signal.yield()
            try await used.next()
            #expect(try await heard.next() == "own")
            for n in 0..<50 {
                try await database.query("select pg_notify('news', '\(n)')")
                if n.isMultiple(of: 7) { signal.yield() }
            }
            var numbers: [String] = []
            while numbers.count < 50 {
                let payload = try await heard.next()
                if payload != "own" { numbers.append(payload) }
            }
            #expect(numbers == (0..<50).map(String.init))
            task.cancel()
            await task.value
        }
    }

    @Test("calls on the listening connection don't lose notifications")
    func callsMeanwhile() async throws {
        try await TestCluster.withDatabase(migrated: false) { database in
            let connection = try await database.connect()
            let heard = Mailbox<String>()
            try await connection.run(script: "listen news", timeout: .seconds(5))
            // Arrives before anybody watches.
            try await connection.query("select pg_notify('news', '0')")
            await connection.watch(onNotification: { heard.send($0.payload) }, onClose: { _ in })
            for n in 1...20 { try await connection.query("select pg_notify('news', '\(n)')") }
            for n in 0...20 { #expect(try await heard.next() == "\(n)") }
            await connection.close()
        }
    }
}
