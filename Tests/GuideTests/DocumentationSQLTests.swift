import TestSupport
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What the pages tell one to type into psql names what there is.
@Suite("the documentation's SQL", .timeLimit(.minutes(5)))
struct DocumentationSQLTests {
    private static let pages = ["README.md", "Documentation/Operating.md", "Documentation/PostgreSQL.md"]
    /// Stands for a node as well as for an event.
    private static let anything = "'00000000-0000-7000-8000-000000000000'"

    /// A page's blocks of SQL: fenced as such, or indented and beginning like a statement.
    private static func blocks(_ page: String) throws -> [String] {
        var blocks: [String] = []
        var fence: String?
        var isInBlock = false
        for line in try Pages.text(page).components(separatedBy: "\n") {
            let text = line.drop(while: \.isWhitespace)
            if text.hasPrefix("```") {
                fence = fence == nil ? String(text.dropFirst(3)) : nil
                if fence == "sql" { blocks.append("") }
                isInBlock = false
            } else if fence == "sql" {
                blocks[blocks.count - 1] += line + "\n"
            } else if fence == nil, line.hasPrefix("    "), isInBlock || self.isStatement(text) {
                if !isInBlock { blocks.append("") }
                isInBlock = true
                blocks[blocks.count - 1] += line + "\n"
            } else {
                isInBlock = false
            }
        }
        return blocks
    }

    /// The statements that stand within a sentence.
    private static func inline(_ page: String) throws -> [String] {
        try Pages.text(page).matches(of: /`(select [^`]+)`/).map { String($0.output.1) }
    }

    private static func isStatement(_ text: some StringProtocol) -> Bool {
        ["select ", "update ", "alter ", "grant ", "create "].contains { text.hasPrefix($0) }
    }

    /// A block's statements, without comments, and with something in place of what is to be filled in.
    private static func statements(_ block: String) -> [String] {
        block.components(separatedBy: "\n")
            .map { $0.components(separatedBy: " --")[0].hasPrefix("--") ? "" : $0.components(separatedBy: " --")[0] }
            .joined(separator: "\n")
            .replacing("\\gexec", with: "")
            .replacing(/'(…|ID|NODE)'/, with: self.anything)
            .replacing(/\bPID\b/, with: "1")
            .components(separatedBy: ";")
            .map { String($0.drop(while: \.isWhitespace)) }
            .filter { !$0.isEmpty }
    }

    @Test("every query of the pages can be planned", arguments: pages)
    func queries(_ page: String) async throws {
        let statements = try (Self.blocks(page) + Self.inline(page)).flatMap(Self.statements)
            .filter { $0.hasPrefix("select ") || $0.hasPrefix("update ") }
        #expect(page == "README.md" || statements.count >= 6, "\(statements)")
        try await TestCluster.withDatabase { database in
            for statement in statements {
                do {
                    let plan = try await database.query("explain (costs off) \(statement)")
                    #expect(!plan.isEmpty)
                } catch {
                    Issue.record("\(page): \(statement)\n\(error)")
                }
            }
        }
    }

    @Test("what the page on PostgreSQL says to make can be made, in its order")
    func logins() async throws {
        let statements = try Self.blocks("Documentation/PostgreSQL.md").flatMap(Self.statements)
            .filter { !$0.hasPrefix("select ") }
        #expect(statements.count >= 7, "\(statements)")
        try await TestCluster.withCluster { _, database in
            for statement in statements {
                do { try await database.query(statement) } catch { Issue.record("\(statement)\n\(error)") }
            }
            let logins = try await database.query(
                "select string_agg(rolname, ' ' order by rolname) from pg_roles where rolname like 'rejoinder_app_%'"
            )
            #expect(logins == [["rejoinder_app_ingress rejoinder_app_operator rejoinder_app_worker"]])
        }
    }
}
