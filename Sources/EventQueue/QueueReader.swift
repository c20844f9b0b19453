package import Logging
package import PostgresClient

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Reads what a dashboard shows, on a connection that is made when it is first needed.
///
/// An ingress's login is enough.
package struct QueueReader: Sendable {
    private let pool: PostgresPool

    package init(_ configuration: PostgresConfiguration, connections: Int = 1, logger: Logger) {
        self.pool = PostgresPool(.forLooks(configuration, logger: logger), size: connections)
    }

    package func glance() async throws(QueueError) -> QueueGlance {
        try Self.decode(await self.execute(PostgresCall(Statements.glance)).bytes(0, 0))
    }

    /// The finished calls that arrived in these minutes since 1970.
    package func minutes(_ minutes: Range<Int>) async throws(QueueError) -> [MinuteCount] {
        var arguments = PostgresArguments()
        arguments.append(Int32(minutes.lowerBound))
        arguments.append(Int32(minutes.upperBound))
        let rows = try await self.execute(PostgresCall(Statements.minutes, arguments))
        return (0..<rows.count).map { row in
            MinuteCount(
                minute: Int(rows.integer(row, 0, as: Int32.self)),
                node: rows.string(row, 1),
                state: rows.string(row, 2),
                bucket: rows.optionalInteger(row, 3, as: Int32.self).map { Int($0) },
                calls: Int(rows.integer(row, 4, as: Int64.self)),
                sampled: rows.bool(row, 5)
            )
        }
    }

    /// An event; nil where there is none.
    package func sight(of event: EventID) async throws(QueueError) -> EventSight? {
        let rows = try await self.execute(PostgresCall(Statements.sight, Self.arguments(event)))
        return rows.isNull(0, 0) ? nil : try Self.decode(rows.bytes(0, 0))
    }

    /// The steps of an event's life, in their order.
    package func life(of event: EventID) async throws(QueueError) -> [Operator.Step] {
        try await Operator(self.pool, actor: "dashboard", via: "dashboard").life(of: event)
    }

    /// Payload and answer of an event, which takes an operator's login.
    package func contents(of event: EventID) async throws(QueueError) -> (payload: String, answer: String?)? {
        let rows = try await self.execute(PostgresCall(Statements.contents, Self.arguments(event)))
        return rows.count == 0 ? nil : (rows.string(0, 0), rows.optionalString(0, 1))
    }

    /// Closes the connection, if nobody uses it.
    package func closeIdle() async { await self.pool.closeIdle() }

    private static func arguments(_ event: EventID) -> PostgresArguments {
        var arguments = PostgresArguments()
        arguments.append(event.description)
        return arguments
    }

    private func execute(_ call: PostgresCall) async throws(QueueError) -> PostgresRows {
        do throws(PostgresError) { return try await self.pool.execute(call) } catch { throw QueueError(error) }
    }

    private static func decode<Value: Decodable>(_ bytes: [UInt8]) throws(QueueError) -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            return try decoder.decode(Value.self, from: Data(bytes))
        } catch {
            throw QueueError(PostgresError(.unexpectedResult, "the schema's \(Value.self) is of another version"))
        }
    }
}
