import Doctor

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Whether secrets can be guessed, or read by those that have no business with them.
///
/// Never says one.
struct SecretCheck {
    private static let name = "secrets"
    private static let remedy =
        "openssl rand -hex 32 # give old and new, change it at Haptik, then give the new one alone"
    /// What everybody tries first; those of the documentation among them.
    private static let known: Set<String> = [
        "secret", "secrets", "password", "passwort", "test", "testing", "changeme", "default", "example", "haptik",
        "rejoinder",
        "webhook", "token", "admin", "mysecret", "yoursecret", "topsecret", "s3cret", "supersecret", "haptiksecret",
        "webhooksecret", "rejoindersecret", "sharedsecret", "development", "production", "dev", "orders", "prices",
        "12345678", "123456789", "1234567890", "0123456789", "qwerty", "abcdef", "letmein", "none", "null", "todo",
    ]

    /// `areUnsigned` is whether there are endpoints though none has a secret.
    static func findings(_ endpoints: [EndpointSecrets], isIngress: Bool, areUnsigned: Bool = false) -> [Finding] {
        guard !endpoints.isEmpty else {
            if areUnsigned {
                let text = "all endpoints are unsigned: whoever reaches one may call it"
                return [Finding(Self.name, .warning, text, remedy: Self.remedy)]
            }
            let text = "none is set: only an ingress needs one"
            guard isIngress else { return [Finding(Self.name, .skipped, text)] }
            return [Finding(Self.name, .broken, "none is set", remedy: "REJOINDER_SECRET=$(openssl rand -hex 32)")]
        }
        var findings: [Finding] = []
        for endpoint in endpoints {
            let several = endpoint.secrets.count > 1
            for (index, secret) in endpoint.secrets.enumerated() {
                let title = "the secret of \(endpoint.endpoint)\(several ? ", number \(index + 1)" : "")"
                if let finding = self.finding(secret, title) { findings.append(finding) }
            }
            findings += endpoint.files.compactMap { Self.finding(file: $0) }
        }
        let repeated = Dictionary(grouping: endpoints.flatMap { Set($0.secrets) }) { $0 }.values.contains {
            $0.count > 1
        }
        if repeated {
            let text = "two endpoints have the same secret: who may call one may call the other"
            findings.append(Finding(Self.name, .warning, text, remedy: self.remedy))
        }
        if !findings.isEmpty { return findings }
        return [
            Finding(Self.name, .ok, "\(endpoints.count == 1 ? "it is" : "they are") long, and not of the usual ones")
        ]
    }

    /// Also for a token: nil where there is nothing to complain of.
    static func finding(_ secret: String, _ title: String, remedy: String = Self.remedy) -> Finding? {
        let letters = String(secret.lowercased().filter { $0.isLetter || $0.isNumber })
        // "test1", "secret-2026" and the like.
        let word = String(letters.prefix { !$0.isNumber })
        if self.known.contains(letters) || self.known.contains(word) && secret.count < 24 {
            return Finding(Self.name, .broken, "\(title) is one that everybody tries first", remedy: remedy)
        }
        if secret.count < 16 {
            return Finding(Self.name, .warning, "\(title) has fewer than 16 characters", remedy: remedy)
        }
        guard Set(secret).count < 6 else { return nil }
        return Finding(Self.name, .warning, "\(title) has few different characters", remedy: remedy)
    }

    /// Also for a token's file: nil where not everybody can read it.
    static func finding(file path: String) -> Finding? {
        guard self.isPublic(path) else { return nil }
        let remedy = "chmod o-rwx \(path) # in Kubernetes defaultMode: 0440 and fsGroup"
        return Finding(self.name, .warning, "everybody on this host can read \(path)", remedy: remedy)
    }

    /// By what a link leads to: its own mode allows everything, and Kubernetes's secrets are links.
    private static func isPublic(_ path: String) -> Bool {
        let target = URL(filePath: path).resolvingSymlinksInPath().path
        let attributes = try? FileManager.default.attributesOfItem(atPath: target)
        // A number of one type or another, by the Foundation that is there.
        let permissions = attributes?[.posixPermissions].flatMap { Int("\($0)") }
        return permissions.map { $0 & 0o007 != 0 } ?? false
    }
}
