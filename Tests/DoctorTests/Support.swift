import Doctor
import PostgresClient
import TestSupport
import Testing

extension TestDatabase {
    /// What the doctor says of it, of one check.
    func findings(_ check: String, quickly: Bool = false) async -> [Finding] {
        await Examination(self.configuration, showsAddress: true, logger: .quiet).findings(quickly: quickly)
            .filter { $0.check == check }
    }

    /// The only finding of a check.
    func finding(_ check: String) async throws -> Finding {
        let findings = await self.findings(check)
        try #require(findings.count == 1, "\(findings)")
        return findings[0]
    }
}

/// The same, with another login.
extension TestDatabase {
    func login(as name: String) -> TestDatabase {
        TestDatabase(url: self.url.replacing("://postgres@", with: "://\(name)@"))
    }
}
