import PostgresClient
import Testing

@testable import Doctor

@Suite("What is reckoned of clocks, disks and verdicts")
struct ReckoningTests {
    @Test("a clock is off by what the way there and back can't account for")
    func clock() {
        func difference(_ before: Int64, _ there: Int64, _ after: Int64) -> Duration {
            ClockCheck.Reading(before: before, there: there, after: after).difference
        }
        #expect(difference(100, 150, 200) == .zero)
        #expect(difference(100, 100, 200) == .zero)
        #expect(difference(1000, 400, 2000) == .microseconds(-600))
        #expect(difference(1000, 2500, 2000) == .microseconds(500))
        #expect(ClockCheck.finding(.milliseconds(900)).verdict == .ok)
        #expect(ClockCheck.finding(.seconds(2)).summary == "this host's clock is 2.0 s behind the database's")
        #expect(ClockCheck.finding(.seconds(-2)).summary == "this host's clock is 2.0 s ahead of the database's")
        #expect(ClockCheck.finding(.seconds(-2)).verdict == .warning)
        #expect(ClockCheck.finding(.seconds(4000)).verdict == .broken)
    }

    @Test("little room on the disk is a warning, next to none is broken")
    func disk() {
        #expect(DiskCheck.finding(free: 50 << 30, of: 100 << 30, in: "/d").verdict == .ok)
        #expect(DiskCheck.finding(free: 1 << 30, of: 10 << 30, in: "/d").verdict == .warning)
        #expect(DiskCheck.finding(free: 4 << 30, of: 100 << 30, in: "/d").verdict == .warning)
        #expect(DiskCheck.finding(free: 100 << 20, of: 1 << 30, in: "/d").verdict == .broken)
    }

    @Test("what leaves the host must be encrypted, and the server's certificate verified")
    func encryption() {
        func verdict(
            _ address: String?,
            _ encryption: PostgresTransport.Encryption,
            _ sslMode: String = "prefer"
        ) -> Finding.Verdict {
            let transport = PostgresTransport(address: address, encryption: encryption, sslMode: sslMode)
            return EncryptionCheck.finding(transport).verdict
        }
        for address in [nil, "127.0.0.1", "127.0.1.1", "::1", "::ffff:127.0.0.1"] {
            #expect(verdict(address, .absent) == .ok)
        }
        for address in ["10.0.0.5", "128.0.0.1", "fd00::127", "::ffff:10.0.0.5"] {
            #expect(verdict(address, .absent) == .warning)
            #expect(verdict(address, .absent, "disable") == .ok)
            #expect(verdict(address, .tls) == .warning)
            #expect(verdict(address, .tls, "require") == .warning)
            #expect(verdict(address, .tls, "verify-ca") == .ok)
            #expect(verdict(address, .tls, "verify-full") == .ok)
            #expect(verdict(address, .gssapi) == .ok)
        }
    }

    @Test("the exit code is that of the worst")
    func exitCodes() {
        func code(_ verdicts: Finding.Verdict...) -> Int32 { verdicts.map { Finding("c", $0, "s") }.exitCode }
        #expect(code() == 0)
        #expect(code(.ok, .skipped) == 0)
        #expect(code(.ok, .warning) == 1)
        #expect(code(.warning, .broken, .ok) == 2)
    }
}
