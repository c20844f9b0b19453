import ArgumentParser
import EventQueue
import LocalPostgres
import PostgresClient
import Settings

/// What was asked for can't be done: one line for the operator.
struct Refusal: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Runs a command's work, and makes one line and an exit code of what went wrong: 78 for what the operator told us wrong,
/// 69 for a database that is away, 1 for the rest.
func reportingFailures(_ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch let error as SettingError {
        StandardError.print("rejoinder: \(error)")
        throw ExitCode(SettingError.exitCode)
    } catch let error as QueueError {
        StandardError.print("rejoinder: \(error)")
        throw ExitCode(error.exitCode)
    } catch let error as PostgresError {
        StandardError.print("rejoinder: \(error)")
        throw ExitCode(error.exitCode)
    } catch let error as Refusal {
        StandardError.print("rejoinder: \(error)")
        throw ExitCode(1)
    } catch let error as LocalPostgresError {
        StandardError.print("rejoinder: \(error)")
        throw ExitCode(1)
    }
}

extension PostgresError {
    /// `EX_UNAVAILABLE` of `sysexits.h` for a database that is away.
    fileprivate var exitCode: Int32 {
        if self.code == .transactionPooled { return SettingError.exitCode }
        return self.isConnectionFailure ? 69 : 1
    }
}

extension QueueError {
    fileprivate var exitCode: Int32 {
        self.isOfConfiguration ? SettingError.exitCode : self.underlying?.exitCode ?? 1
    }
}
