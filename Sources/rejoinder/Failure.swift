import ArgumentParser
import EventQueue
import LocalPostgres
import PostgresClient
import Settings

/// Runs a command's work, and makes one line and an exit code of what went wrong: 78 for what the operator told us wrong,
/// 1 for the rest.
func reportingFailures(_ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch let error as SettingError {
        StandardError.print("rejoinder: \(error)")
        throw ExitCode(SettingError.exitCode)
    } catch let error as QueueError {
        StandardError.print("rejoinder: \(error)")
        throw ExitCode(error.isOfConfiguration ? SettingError.exitCode : 1)
    } catch let error as PostgresError {
        StandardError.print("rejoinder: \(error)")
        throw ExitCode(error.code == .transactionPooled ? SettingError.exitCode : 1)
    } catch let error as LocalPostgresError {
        StandardError.print("rejoinder: \(error)")
        throw ExitCode(1)
    }
}
