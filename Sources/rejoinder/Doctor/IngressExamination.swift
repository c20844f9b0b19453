import Dashboard
import Doctor
import RejoinderIngress
import Settings
import SystemPackage

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Looks at what an ingress on this host would be told: secrets, certificate, ports, open files.
struct IngressExamination {
    let flags: IngressFlags
    let environment: [String: String]

    func findings() async -> [Finding] {
        do throws(SettingError) {
            let (reader, file) = try self.flags.read(environment: self.environment)
            let settings = EndpointSettings(reader: reader, file: file, environment: self.environment)
            let certificate = try reader.optional(IngressSettings.tlsCertificate)
            let key = try reader.optional(IngressSettings.tlsKey)
            let secrets = try settings.endpointSecrets()
            let hasEndpoints = !secrets.isEmpty || file.map { !$0.endpoints.isEmpty } ?? false
            // Whatever else an ingress would refuse to start with.
            if hasEndpoints { _ = try self.flags.options(reader, file, environment: self.environment) }
            let isIngress = file != nil || certificate != nil
            var findings = SecretCheck.findings(secrets, isIngress: isIngress, areUnsigned: hasEndpoints)
            if let token = try IngressSettings.dashboard(reader).token {
                let remedy = "openssl rand -hex 32 # the new REJOINDER_OPERATOR_TOKEN"
                let isInVariable = try reader.optional(IngressSettings.operatorToken) != nil
                let tokenFile = isInVariable ? nil : try reader.optional(IngressSettings.operatorTokenFile)
                findings += [
                    SecretCheck.finding(token, "the operator's token", remedy: remedy),
                    tokenFile.flatMap { SecretCheck.finding(file: $0) },
                ].compactMap(\.self)
            }
            if let certificate, let key {
                findings += CertificateCheck(certificatePath: certificate, keyPath: key, now: Date()).findings()
            } else {
                findings.append(Finding("certificate", .skipped, "no TLS is configured"))
            }
            let (http, admin) = try self.flags.places(reader)
            findings += await PortCheck(http: http, admin: admin).findings()
            findings.append(Self.openFiles(try reader.required(IngressSettings.limitConnections)))
            return findings
        } catch {
            return [
                Finding("configuration", .broken, "\(error)", remedy: "rejoinder ingress --help # what each expects")
            ]
        }
    }

    /// Each connection is an open file, and some more are needed.
    static func openFiles(_ connections: Int, most: Int = OpenFiles.mostPossible) -> Finding {
        let wanted = connections + 100
        guard most < wanted else {
            return Finding("open files", .ok, "\(min(most, 1 << 30)) are allowed, \(wanted) are enough")
        }
        return Finding(
            "open files",
            .warning,
            "\(most) are allowed: too few for limit.connections (\(connections)), \(wanted) are enough",
            remedy: "ulimit -n \(wanted) # or LimitNOFILE=\(wanted) in its unit; or a smaller limit.connections"
        )
    }
}
