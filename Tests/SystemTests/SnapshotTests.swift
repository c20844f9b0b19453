import LocalPostgres
import PostgresClient
import Stage
import TestSupport
import Testing

/// What the schema's owner can't see is not told as if there were nothing.
@Suite("snapshots of other logins", .timeLimit(.minutes(5)))
struct SnapshotTests {
    private static let metric = "rejoinder_oldest_snapshot_age_seconds"
    private static let unknown = "Whether another login holds a snapshot is unknown"

    @Test(
        "an owner that may not see them: the metric is absent, dashboard and doctor say so, and the doctor's line mends it"
    )
    func owner() async throws {
        try await TestCluster.withCluster { cluster, administrator in
            try await administrator.query("create role plain login")
            try await administrator.query("create database theirs owner plain")
            let owned = TestDatabase(url: try cluster.connectionString(database: "theirs", user: "plain"))
            let theirs = TestDatabase(url: try cluster.connectionString(database: "theirs"))
            let migrated = try await Program.run("rejoinder", ["migrate"], environment: ["DATABASE_URL": owned.url])
            #expect("\(migrated.status)" == "exited(0)", "\(migrated.lines)")
            let holder = try await theirs.connect()
            try await holder.run(
                script: """
                    set idle_in_transaction_session_timeout = 0; begin isolation level repeatable read; select 1
                    """,
                timeout: .seconds(5)
            )

            try await Deployment.with(owned) { deployment in
                let client = DashboardTests.Client(port: deployment.adminPort)
                try await eventually("the queue is sampled") {
                    try await Scrape(port: deployment.adminPort)["rejoinder_workers"] != nil
                }
                #expect(try await Scrape(port: deployment.adminPort)[Self.metric] == nil)
                #expect(try await client.get("/").body.contains(Self.unknown))
                let doctor = { try await Self.doctor(theirs) }
                let warned = try await doctor()
                #expect(
                    warned.contains { $0.hasPrefix("warning") && $0.contains("the schema's owner plain can't see") },
                    "\(warned)"
                )
                let remedy = try #require(
                    warned.compactMap { $0.firstMatch(of: /grant pg_read_all_stats to plain/) }.first
                )

                try await theirs.query(String(remedy.output))
                try await eventually("the metric is there") {
                    try await Scrape(port: deployment.adminPort)[Self.metric] ?? 0 > 0
                }
                try await eventually("the dashboard sees") { try await !client.get("/").body.contains(Self.unknown) }
                #expect(try await doctor().allSatisfy { !$0.contains("can't see") })
            }
            await holder.close()
        }
    }

    /// What the doctor says.
    private static func doctor(_ database: TestDatabase) async throws -> [String] {
        let result = try await Program.run(
            "rejoinder",
            ["doctor", "--http-port", "0", "--admin-port", "0"],
            environment: ["DATABASE_URL": database.url]
        )
        return result.lines
    }
}
