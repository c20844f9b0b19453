import TestSupport
import Testing

/// What no event tells: an operator finds it all the same.
@Suite("what went wrong can be seen", .serialized)
struct IncidentTests {
    @Test("calls that are signed with another secret are in psql, in status and on the dashboard, with what to do")
    func wrongSecret() async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                for _ in 0..<3 {
                    let answer = try await deployment.post(
                        Deployment.body("echo"),
                        signature: "sha1=" + String(repeating: "0", count: 40)
                    )
                    #expect(answer.status == 401)
                }
                try await eventually("it is in psql") {
                    try await database.query("select about, code, last_hour::text from rejoinder.incidents")
                        == [["call", "signature", "3"]]
                }
                let status = try await Program.run("rejoinder", ["status"], environment: ["DATABASE_URL": database.url])
                let line = status.lines.first { $0.contains("signature") } ?? ""
                #expect(line.contains("give it both"), "\(status.lines)")
                let client = DashboardTests.Client(port: deployment.adminPort)
                try await eventually("it is on the dashboard") {
                    let page = try await client.get("/").body
                    return page.contains("call <code>signature</code>") && page.contains("give it both")
                }
            }
        }
    }
}
