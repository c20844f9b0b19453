import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A descriptor for lines that must be written and hold nobody up: whoever reads a program's log may stall, and an ingress
/// answers its calls on the thread that logs them.
///
/// A line that finds no room waits for 50 ms, one a second at most; it is written when there is room and another comes. Those
/// between are left out at once, and counted. A line is one `write`, so that those of several processes on one pipe don't mix,
/// unless it is over 4 kB.
final class LogOutput: Sendable {
    private struct State {
        /// What found no room: of one line, or of it and the notice before it.
        var rest: ArraySlice<UInt8> = []
        /// Lines since then.
        var leftOut = 0
        var mayWaitFrom = ContinuousClock.now
    }

    /// In milliseconds.
    private static let patience: Int32 = 50
    /// What a pipe that says it has room takes without waiting: PIPE_BUF of Linux.
    private static let mostAtOnce = 4096

    static let standardError = LogOutput(STDERR_FILENO)

    private let descriptor: Int32
    private let state = Mutex(State())

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// - Parameters:
    ///   - line: with its newline.
    ///   - notice: the line that says how many were left out before this one.
    func write(_ line: String, notice: (_ leftOut: Int) -> String) {
        self.state.withLock { state in
            self.writeRest(&state)
            guard state.rest.isEmpty else {
                state.leftOut += 1
                return
            }
            state.rest = Array(((state.leftOut > 0 ? notice(state.leftOut) : "") + line).utf8)[...]
            state.leftOut = 0
            self.writeRest(&state)
        }
    }

    /// As much as there is room for.
    private func writeRest(_ state: inout State) {
        while !state.rest.isEmpty {
            guard self.hasRoom(within: 0) || self.waits(&state) else { return }
            let count = state.rest.prefix(Self.mostAtOnce).withUnsafeBytes { self.writeOnce($0) }
            if count > 0 {
                state.rest = state.rest.dropFirst(count)
            } else if errno != EINTR, errno != EAGAIN {
                state.rest = []  // Nobody is left to tell.
            }
        }
    }

    private func waits(_ state: inout State) -> Bool {
        guard .now >= state.mayWaitFrom else { return false }
        defer { state.mayWaitFrom = .now + .seconds(1) }
        return self.hasRoom(within: Self.patience)
    }

    /// True also where writing would fail.
    private func hasRoom(within milliseconds: Int32) -> Bool {
        var request = pollfd(fd: self.descriptor, events: Int16(POLLOUT), revents: 0)
        while true {
            let count = poll(&request, 1, milliseconds)
            if count >= 0 || errno != EINTR { return count != 0 }
        }
    }

    private func writeOnce(_ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Glibc)
        Glibc.write(self.descriptor, bytes.baseAddress, bytes.count)
        #elseif canImport(Musl)
        Musl.write(self.descriptor, bytes.baseAddress, bytes.count)
        #else
        Darwin.write(self.descriptor, bytes.baseAddress, bytes.count)
        #endif
    }
}
