package import Logging
import Synchronization

/// What was logged, for a test to read.
package final class LogRecorder: Sendable {
    package struct Entry: Sendable {
        package let level: Logger.Level
        package let message: String
        package let metadata: Logger.Metadata

        /// A metadata value as text; empty where there is none.
        package func text(_ key: String) -> String { self.metadata[key].map { "\($0)" } ?? "" }
    }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.MetadataValue? {
            get { self.metadata[key] }
            set { self.metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let metadata = self.metadata.merging(event.metadata ?? [:]) { _, given in given }
            self.recorder.record(Entry(level: event.level, message: "\(event.message)", metadata: metadata))
        }
    }

    private let recorded = Mutex<[Entry]>([])

    package init() {}

    package var entries: [Entry] { self.recorded.withLock { $0 } }

    /// The messages that somebody should look at.
    package var complaints: [String] {
        self.entries.filter { $0.level >= .warning }.map { "\($0.message) \($0.metadata)" }
    }

    /// What PostgreSQL warned of, which is in its own log too: that must not grow with the load.
    package var warningsOfServer: [String] {
        self.entries
            .filter { $0.level >= .warning && $0.message == "PostgreSQL says" }
            .map { $0.text("postgres.message") }
    }

    package var logger: Logger { Logger(label: "test") { _ in Handler(recorder: self) } }

    private func record(_ entry: Entry) { self.recorded.withLock { $0.append(entry) } }
}

extension Logger {
    /// Says nothing.
    package static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}
