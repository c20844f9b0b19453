import ArgumentParser
import EventQueue

/// What a shell may offer, from the database that the environment names; nothing where that can't be read.
extension CompletionKind {
    static let nodes = Self.custom { _, _, prefix in
        await Self.offered(prefix) { try await $0.nodes().map(\.node) }
    }

    static let workers = Self.custom { _, _, prefix in
        await Self.offered(prefix) { try await $0.workers().map { "\($0.id)" } }
    }

    /// The latest ids.
    static func events(_ states: Operator.State...) -> CompletionKind {
        Self.custom { _, _, prefix in
            await Self.offered(prefix) { queue in
                var ids: [String] = []
                for state in states {
                    ids += try await queue.events(Operator.EventFilter(state: state, limit: 20)).map(\.id)
                }
                return states.isEmpty ? try await queue.events(Operator.EventFilter(limit: 20)).map(\.id) : ids
            }
        }
    }

    private static func offered(
        _ prefix: String,
        _ names: @escaping @Sendable (Operator) async throws -> [String]
    ) async -> [String] {
        var offered: [String] = []
        try? await Database.withConnection(
            OperatorOptions.database,
            needingSession: false,
            logger: OperatorOptions.logger
        ) { connection in
            offered = try await names(Operator(connection, actor: OperatorOptions.actor, via: "cli"))
        }
        return offered.filter { $0.hasPrefix(prefix) }
    }
}
