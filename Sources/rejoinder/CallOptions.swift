import ArgumentParser
import HaptikWebhook
import Settings

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A call's body and signature, for the commands that make calls.
struct CallOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A file with the body; - is standard input.", valueName: "file|-"))
    var body: String

    @Option(help: "sha1, sha256, sha384 or sha512, as the endpoint is configured.")
    var algorithm: String = SignatureAlgorithm.sha1.rawValue

    /// Signs with the secret that the environment has, the first where there are several.
    func signer() throws -> SignatureVerifier {
        let secrets = try IngressSettings.secrets(SettingsReader(environment: ProcessInfo.processInfo.environment))
        guard !secrets.isEmpty else {
            throw SettingError("REJOINDER_SECRET is not set, expected the endpoint's secret")
        }
        guard let algorithm = SignatureAlgorithm(rawValue: self.algorithm) else {
            throw SettingError("--algorithm is \"\(self.algorithm)\", expected sha1, sha256, sha384 or sha512")
        }
        return try SignatureVerifier(algorithm: algorithm, secrets: secrets)
    }

    /// The body's bytes.
    func bytes() throws(SettingError) -> [UInt8] {
        do {
            return try self.body == "-" ? FileContents.standardInput() : FileContents.file(self.body)
        } catch {
            throw SettingError("--body \(self.body) can't be read: \(error)")
        }
    }
}
