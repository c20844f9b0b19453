import PostgresClient

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// How far this host's clock is from the database's.
///
/// Deadlines don't care: the database reckons them alone. But an ingress makes ids by its own clock, by which they
/// are put into a day's partition, and people compare logs.
struct ClockCheck: Sendable {
    private static let name = "clock"
    private static let statement = PostgresStatement(
        name: "doctor clock",
        sql: "select (extract(epoch from clock_timestamp()) * 1000000)::bigint"
    )

    /// One reading of the database's clock, with this host's before and after it, in microseconds since 1970.
    struct Reading: Sendable {
        let before: Int64
        let there: Int64
        let after: Int64

        /// How much later it is there, at the least: what the way there and back may account for is left off.
        var difference: Duration {
            if self.there < self.before { return .microseconds(self.there - self.before) }
            return .microseconds(max(0, self.there - self.after))
        }
    }

    static func findings(on connection: PostgresConnection) async -> [Finding] {
        var readings: [Reading] = []
        for _ in 0..<3 {
            let before = Self.now()
            do throws(PostgresError) {
                let there: Int64 = try await connection.execute(PostgresCall(Self.statement)).integer(0, 0)
                readings.append(Reading(before: before, there: there, after: Self.now()))
            } catch {
                return [.failed(Self.name, "\(error)", isTimeout: error.isTimeout)]
            }
        }
        // The quickest trip is the most exact.
        return readings.min { $0.after - $0.before < $1.after - $1.before }.map { [Self.finding($0.difference)] } ?? []
    }

    static func finding(_ difference: Duration) -> Finding {
        let size = max(difference, .zero - difference)
        guard size > .seconds(1) else { return Finding(Self.name, .ok, "this host and the database agree") }
        let seconds = Double(size.components.seconds) + Double(size.components.attoseconds) / 1e18
        let text = "\((seconds * 10).rounded() / 10) s \(difference > .zero ? "behind" : "ahead of")"
        return Finding(
            Self.name,
            // Past that, ids begin to miss the partitions of their day.
            size > .seconds(3600) ? .broken : .warning,
            "this host's clock is \(text) the database's",
            remedy: "timedatectl set-ntp true # on both hosts"
        )
    }

    private static func now() -> Int64 { Int64(Date().timeIntervalSince1970 * 1_000_000) }
}
