import NIOSSL
import Subprocess
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A self-signed certificate and its key, as files.
struct CertificatePair {
    let folder = "/tmp/rejoinder-test-\(UInt32.random(in: 0...UInt32.max))"

    var certificatePath: String { "\(self.folder)/certificate.pem" }
    var keyPath: String { "\(self.folder)/key.pem" }

    var arguments: [String] { ["--tls-certificate", self.certificatePath, "--tls-key", self.keyPath] }

    static func with(_ body: (CertificatePair) async throws -> Void) async throws {
        let pair = CertificatePair()
        try FileManager.default.createDirectory(atPath: pair.folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: pair.folder) }
        try await pair.renew()
        try await body(pair)
    }

    func certificate() throws -> NIOSSLCertificate? {
        try NIOSSLCertificate.fromPEMFile(self.certificatePath).first
    }

    /// Puts another pair in the place of the one that is there.
    func renew() async throws {
        let new = ["\(self.certificatePath).new", "\(self.keyPath).new"]
        let result = try await Subprocess.run(
            .name("openssl"),
            arguments: [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=localhost", "-out", new[0], "-keyout", new[1],
            ],
            output: .discarded,
            error: .discarded
        )
        try #require(result.terminationStatus.isSuccess)
        for (from, to) in zip(new, [self.certificatePath, self.keyPath]) {
            try Data(contentsOf: URL(filePath: from)).write(to: URL(filePath: to), options: .atomic)
        }
    }

    /// Takes another pair's certificate, or its key.
    func take(_ other: CertificatePair, certificate: Bool) throws {
        let (from, to) =
            certificate ? (other.certificatePath, self.certificatePath) : (other.keyPath, self.keyPath)
        try Data(contentsOf: URL(filePath: from)).write(to: URL(filePath: to), options: .atomic)
    }

    /// Cuts the key short.
    func spoil() throws {
        let key = try Data(contentsOf: URL(filePath: self.keyPath))
        try key.prefix(key.count / 2).write(to: URL(filePath: self.keyPath), options: .atomic)
    }
}
