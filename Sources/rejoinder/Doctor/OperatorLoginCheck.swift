import Doctor
import EventQueue
import Logging
import PostgresClient

/// Whether the login that acts for those who use the dashboard can do so.
struct OperatorLoginCheck {
    private static let name = "operator's login"

    /// Nil where there is none, and the ingress's own login acts.
    let configuration: PostgresConfiguration?

    func findings() async -> [Finding] {
        guard let configuration else { return [] }
        do {
            try await Database.withConnection(configuration, needingSession: false, logger: .quiet) {
                try await Schema($0).check(for: .operator)
            }
            return [Finding(Self.name, .ok, "it may do what operators do")]
        } catch let error as QueueError {
            return [Finding(Self.name, .broken, error.message, remedy: "rejoinder grant LOGIN operator")]
        } catch {
            let variable = Database.operatorVariable
            let remedy = "\(variable)=postgres://LOGIN@HOST:5432/DATABASE # its password in the file of PGPASSFILE"
            return [Finding(Self.name, .broken, "\(variable): \(error)", remedy: remedy)]
        }
    }
}
