import Doctor
import RejoinderIngress
import SwiftASN1
import X509

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Whether callers will take the ingress's certificate, and for how long.
struct CertificateCheck {
    private static let name = "certificate"

    let certificatePath: String
    let keyPath: String
    let now: Date

    func findings() -> [Finding] {
        let chain: [Certificate]
        let key: Certificate.PrivateKey
        do {
            chain = try PEMDocument.parseMultiple(pemString: try Self.text(self.certificatePath))
                .map { try Certificate(pemDocument: $0) }
        } catch {
            return [self.broken("\(self.certificatePath) can't be read: \(error)")]
        }
        guard let leaf = chain.first else { return [self.broken("\(self.certificatePath) holds no certificate")] }
        do { key = try Certificate.PrivateKey(pemEncoded: try Self.keyText(self.keyPath)) } catch {
            return [self.broken("\(self.keyPath) can't be read: \(error)")]
        }
        var findings = chain.compactMap { self.expiry(of: $0, isLeaf: $0 == leaf) }
        if key.publicKey != leaf.publicKey {
            let remedy =
                "openssl pkey -in \(self.keyPath) -pubout # as openssl x509 -pubkey -in \(self.certificatePath) says"
            findings.append(Finding(Self.name, .broken, "\(self.keyPath) is not the certificate's key", remedy: remedy))
        }
        findings += self.chainFindings(chain, leaf)
        if findings.isEmpty {
            let names = Self.names(of: leaf).joined(separator: ", ")
            findings.append(Finding(Self.name, .ok, "for \(names), \(self.days(until: leaf)) days left"))
        }
        return findings
    }

    private func chainFindings(_ chain: [Certificate], _ leaf: Certificate) -> [Finding] {
        var findings: [Finding] = []
        for (lower, upper) in zip(chain, chain.dropFirst())
        where lower.issuer != upper.subject || !upper.publicKey.isValidSignature(lower.signature, for: lower) {
            findings.append(
                self.broken("the chain is out of order: \(lower.subject) is not issued by \(upper.subject)")
            )
        }
        if leaf.issuer == leaf.subject {
            findings.append(self.warning("it is self-signed: callers refuse it unless they were told to trust it"))
        } else if chain.count == 1 {
            findings.append(
                self.warning("the file holds no certificate of the issuer: callers that lack it refuse this one")
            )
        }
        if Self.names(of: leaf).isEmpty { findings.append(self.warning("it names no host (subjectAltName)")) }
        return findings
    }

    private func expiry(of certificate: Certificate, isLeaf: Bool) -> Finding? {
        let title = isLeaf ? "the certificate" : "the issuer's certificate \(certificate.subject)"
        if certificate.notValidBefore > self.now {
            return self.broken("\(title) is not valid yet: is this host's clock right?")
        }
        let days = self.days(until: certificate)
        if certificate.notValidAfter <= self.now { return self.broken("\(title) has expired, \(-days) days ago") }
        return days < 14 ? self.warning("\(title) expires in \(days) days") : nil
    }

    private func days(until certificate: Certificate) -> Int {
        Int((certificate.notValidAfter.timeIntervalSince(self.now) / 86_400).rounded(.down))
    }

    private func broken(_ text: String) -> Finding {
        Finding(Self.name, .broken, Self.oneLine(text), remedy: self.remedy)
    }

    private func warning(_ text: String) -> Finding {
        Finding(Self.name, .warning, Self.oneLine(text), remedy: self.remedy)
    }

    private var remedy: String {
        "openssl x509 -in \(self.certificatePath) -noout -subject -issuer -dates # put a renewed chain in its place"
    }

    private static func names(of certificate: Certificate) -> [String] {
        guard let names = try? certificate.extensions.subjectAlternativeNames else { return [] }
        return names.map { name in
            if case .dnsName(let host) = name { host } else { "\(name)" }
        }
    }

    private static func text(_ path: String) throws -> String {
        String(decoding: try FileContents.file(path), as: UTF8.self)
    }

    /// The key of a file that may hold its parameters too.
    private static func keyText(_ path: String) throws -> String {
        let documents = try PEMDocument.parseMultiple(pemString: try self.text(path))
        return (documents.first { $0.discriminator.hasSuffix("PRIVATE KEY") } ?? documents.first)?.pemString ?? ""
    }

    private static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
