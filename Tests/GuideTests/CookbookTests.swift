import TestSupport
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

@Suite("the psql cookbook", .timeLimit(.minutes(5)))
struct CookbookTests {
    private static let waiting = "019ab3f0-0000-7000-8000-000000000001"

    /// The blocks of SQL on the page, each as its statements.
    private static func recipes() throws -> [[String]] {
        try Pages.text("Sources/RejoinderWorker/Documentation.docc/PsqlCookbook.md")
            .components(separatedBy: "```sql\n")
            .dropFirst()
            .compactMap { $0.components(separatedBy: "```").first }
            .map { block in block.components(separatedBy: ";\n").filter { !$0.allSatisfy(\.isWhitespace) } }
    }

    /// A worker "orders", an event of the node "price" that has failed, and one that waits.
    private static let fill = """
        do $$
        declare
            orders integer;
            failed record;
        begin
            select registered into orders
              from rejoinder.register('worker', 'orders', 'host', 1, '1', '[{"nodes":["price"],"excluding":[],"slots":4}]');
            perform rejoinder.enqueue(orders, array[rejoinder.id_at(now())], '{/webhook}', '{price}', '{29000}', '{1}');
            select * into strict failed from rejoinder.claim(orders, '{price}', 1);
            perform rejoinder.answer(
                orders, array[failed.id], array[failed.place], '{failed}', '{null}', '{refused}', '{no}'
            );
            perform rejoinder.enqueue(orders, '{\(waiting)}', '{/webhook}', '{price}', '{29000}', '{2}');
        end $$
        """

    @Test("every recipe runs, and one that acts has something to act on")
    func recipes() async throws {
        let recipes = try Self.recipes()
        #expect(recipes.count >= 12)
        for recipe in recipes {
            try await TestCluster.withDatabase { database in
                try await database.query(Self.fill)
                for statement in recipe {
                    let gexec = "\\gexec"
                    let sql = statement.replacing(gexec, with: "").replacing(":'id'", with: "'\(Self.waiting)'")
                        .replacing(
                            ":'node'",
                            with: "'price'"
                        )
                    guard sql.hasPrefix("select") else {
                        try await database.query(sql)
                        continue
                    }
                    let rows = try await database.query("select row_to_json(r)::text from (\(sql)) as r")
                    let acts = ["answer_by_hand", "cancel", "retry", "drain"].contains {
                        sql.contains("rejoinder.\($0)(")
                    }
                    #expect(!acts || !rows.isEmpty, "\(sql)")
                    guard statement.contains(gexec) else { continue }
                    // psql carries out what comes back.
                    for made in try await database.query(sql) { try await database.query(try #require(made[0])) }
                }
            }
        }
    }
}
