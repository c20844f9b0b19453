import Dispatch

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Waits for a socket's input, on a thread and a descriptor of its own.
///
/// Not a dispatch source: on Linux libdispatch reports only once that the peer has hung up, and can trap ("source
/// finalized twice") when the source is cancelled in that moment, which is when one closes a broken connection.
struct SocketWatch: Sendable {
    private let descriptor: Int32

    /// Fails where no descriptor is left.
    init?(_ socket: Int32) {
        self.descriptor = fcntl(socket, F_DUPFD_CLOEXEC, 0)
        if self.descriptor < 0 { return nil }
    }

    /// Calls `onInput` whenever there is something to read, be it the end, until it returns false.
    func start(onInput: @escaping @Sendable () -> Bool) {
        DispatchQueue(label: "postgres.watch").async {
            repeat {
                var waiting = pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0)
                _ = poll(&waiting, 1, -1)
            } while onInput()
            close(self.descriptor)
        }
    }

    /// Ends the input, so that `onInput` is called and can return false.
    ///
    /// Only before it has.
    func stop() {
        shutdown(self.descriptor, Int32(SHUT_RD))
    }
}
