#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A pipe whose reading end becomes readable when somebody rings.
final class Bell: Sendable {
    let descriptor: Int32
    private let writer: Int32

    /// Fails where no file descriptor is left.
    init?() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        (self.descriptor, self.writer) = (ends[0], ends[1])
    }

    deinit {
        close(self.descriptor)
        close(self.writer)
    }

    func ring() {
        var byte: UInt8 = 1
        // A full pipe rings already.
        _ = write(self.writer, &byte, 1)
    }

    func silence() {
        var bytes = [UInt8](repeating: 0, count: 16)
        while read(self.descriptor, &bytes, bytes.count) == bytes.count {}
    }
}
