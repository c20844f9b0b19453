import Logging
import NIOCore
import Testing

@testable import AdminPort

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@Suite("an admin port that can't be opened")
struct AdminPortErrorTests {
    @Test(
        "says why, and what to choose another of where that would help",
        arguments: [
            (EADDRINUSE, "port 127.0.0.1:9091 is in use", .port),
            (EACCES, "port 127.0.0.1:9091 is not for this user", .port),
            (EADDRNOTAVAIL, "127.0.0.1 is no address of this machine", .host),
            (EAFNOSUPPORT, "127.0.0.1 is no address of this machine", .host),
            (EMFILE, "port 127.0.0.1:9091 can't be opened: too many open files", nil),
        ] as [(CInt, String, AdminPortError.Part?)]
    )
    func reason(_ code: CInt, _ description: String, _ culprit: AdminPortError.Part?) {
        let error = AdminPortError(host: "127.0.0.1", port: 9091, IOError(errnoCode: code, reason: "bind"))
        #expect(error.description == description)
        #expect(error.culprit == culprit)
    }

    @Test("says so of a name that has no address")
    func strangeName() async {
        let error = await #expect(throws: AdminPortError.self) {
            try await AdminPort.open(host: "nowhere.invalid", port: 0, logger: Logger(label: "test"), pages: [:])
        }
        #expect(error?.description == "nowhere.invalid is no address of this machine")
        #expect(error?.culprit == .host)
    }
}
