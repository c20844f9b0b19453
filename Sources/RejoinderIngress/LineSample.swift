import Logging
import Synchronization

/// Lines of one kind and level, of many a second only the first, with a line that counts the others.
final class LineSample: Sendable {
    private let level: Logger.Level
    private let summary: Logger.Message
    private let sampling = Mutex(LogSampling())

    /// The summary is what the line says that counts those left out.
    init(_ summary: Logger.Message, at level: Logger.Level) {
        self.summary = summary
        self.level = level
    }

    func write(_ message: Logger.Message, to logger: Logger, _ metadata: () -> Logger.Metadata) {
        guard logger.logLevel <= self.level else { return }
        let (isWritten, leftOut) = self.sampling.withLock { $0.admits(at: .now) }
        self.say(leftOut, logger)
        if isWritten { logger.log(level: self.level, message, metadata: metadata()) }
    }

    /// Says how many were left out in a second that has ended, also when no further line comes.
    func close(_ logger: Logger) {
        self.say(self.sampling.withLock { $0.closed(at: .now) }, logger)
    }

    private func say(_ leftOut: Int, _ logger: Logger) {
        guard leftOut > 0 else { return }
        logger.log(level: self.level, self.summary, metadata: ["calls": .stringConvertible(leftOut)])
    }
}

/// Lets so many lines through in each second, and counts those that it leaves out.
struct LogSampling: Sendable {
    static let mostPerSecond = 100

    private var end: ContinuousClock.Instant?
    private var written = 0
    private var leftOut = 0

    /// Whether a line is written, and how many were left out in a second that has ended since the last call.
    mutating func admits(at now: ContinuousClock.Instant) -> (isWritten: Bool, leftOut: Int) {
        let before = self.closed(at: now)
        if self.end == nil { self.end = now + .seconds(1) }
        guard self.written < Self.mostPerSecond else {
            self.leftOut += 1
            return (false, before)
        }
        self.written += 1
        return (true, before)
    }

    /// How many lines were left out in a second that has ended since the last call.
    mutating func closed(at now: ContinuousClock.Instant) -> Int {
        guard let end, now >= end else { return 0 }
        defer { self = LogSampling() }
        return self.leftOut
    }
}
