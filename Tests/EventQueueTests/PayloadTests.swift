import FuzzInput
import HaptikWebhook
import PostgresClient
import TestSupport
import Testing

@testable import EventQueue

@Suite("Payloads and PostgreSQL's own JSON", .timeLimit(.minutes(10)))
struct PayloadTests {
    @Test("whatever document we take, PostgreSQL takes too", arguments: FuzzInput.SeededGenerator.seeds(2))
    func documents(seed: UInt64) async throws {
        var random = FuzzInput.SeededGenerator(state: seed)
        var documents: [[UInt8]] = []
        for _ in 0..<4000 {
            let document = JSONMutation.document(&random)
            if (try? JSONValue(parsing: document)) != nil { documents.append(document) }
        }
        #expect(documents.count > 100)
        try await TestCluster.withDatabase { database in
            let refused = try await database.connect().refused(documents)
            #expect(refused == [])
        }
    }
}

extension PostgresConnection {
    /// The documents that are no JSON for PostgreSQL.
    fileprivate func refused(_ documents: [[UInt8]]) throws(PostgresError) -> [String] {
        let split = BatchSplit<[UInt8]> { part throws(PostgresError) in
            try self.pipeline([.sql("select from unnest($1::json[])") { $0.append(json: part) }])[0].failure
        }
        guard let error = try split.send(documents) else { return [] }
        return (try split.refused(of: documents, after: error) ?? []).map {
            String(decoding: $0.element, as: UTF8.self)
        }
    }
}
