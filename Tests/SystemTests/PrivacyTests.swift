import TestSupport
import Testing

/// What a handler says of its event is for those who may read the event.
@Suite("the texts of errors", .serialized)
struct PrivacyTests {
    private static let secret = "a secret wish"

    @Test("what a handler threw of its event is shown to no reader, and to nobody who has not signed in")
    func errors() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, environment: DashboardTests.token) { deployment in
                try await deployment.withWorker { _ in
                    var ids: [String] = []
                    for node in ["leak_quoted", "leak_refused"] {
                        ids.append(try DashboardTests.event(of: await deployment.call(node, ["id": Self.secret])))
                    }
                    let client = DashboardTests.Client(port: deployment.adminPort)
                    let (ada, _) = try await client.signedIn()
                    for path in ["/"] + ids.map({ "/event/\($0)" }) {
                        let page = try await client.get(path).body
                        #expect(ids.contains { page.contains($0) } && !page.contains(Self.secret), "\(path)")
                        #expect(try await ada.get(path).body.contains(Self.secret), "\(path)")
                        let stream = try await client.stream(path == "/" ? "/live" : "\(path)/live")
                        #expect(ids.contains { stream.contains($0) } || stream.contains("leak_"), "\(path)")
                        #expect(!stream.contains(Self.secret), "\(path)")
                    }
                    for id in ids { try await Self.expectHidden(id, from: "rejoinder_reader", in: database) }
                }
            }
        }
    }

    @Test("where nobody can sign in, they are shown with the payloads", arguments: [false, true])
    func withoutToken(_ showsPayloads: Bool) async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, showsPayloads ? ["--show-payloads"] : []) { deployment in
                try await deployment.withWorker { _ in
                    let id = try DashboardTests.event(of: await deployment.call("leak_refused", ["id": Self.secret]))
                    for path in ["/", "/event/\(id)"] {
                        let page = try await DashboardTests.Client(port: deployment.adminPort).get(path).body
                        #expect(page.contains("refused"), "\(path)")
                        #expect(page.contains("not this one: \(Self.secret)") == showsPayloads, "\(path)")
                    }
                }
            }
        }
    }

    /// Reads all that a role may select, and an event's life; an operator finds the text there.
    private static func expectHidden(_ id: String, from role: String, in database: TestDatabase) async throws {
        let readable = """
            select format('select concat_ws('' '', %s) from %s', string_agg(quote_ident(a.attname), ', '), c.oid::regclass)
              from pg_class as c
              join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
             where c.relnamespace = 'rejoinder'::regnamespace
               and c.relkind in ('r', 'p', 'v', 'm')
               and has_column_privilege(c.oid, a.attnum, 'select')
             group by c.oid
            """
        let life = "select concat_ws(' ', step, detail) from rejoinder.life('\(id)')"
        func texts(of role: String) async throws -> [String] {
            let member = try await database.asMember(of: role)
            let statements = try await member.query(readable).compactMap { $0.first ?? nil }
            #expect(statements.contains { $0.contains("rejoinder.recent") })
            var texts: [String] = []
            for sql in statements + [life] {
                texts += try await member.query(sql).compactMap { $0.first ?? nil }
            }
            return texts
        }
        let seen = try await texts(of: role)
        #expect(seen.contains { $0.contains(id) })
        #expect(!seen.contains { $0.contains(Self.secret) })
        #expect(try await texts(of: "rejoinder_operator").contains { $0.contains(Self.secret) })
    }
}
