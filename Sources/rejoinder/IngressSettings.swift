import Dashboard
import EventQueue
import HaptikWebhook
import RejoinderIngress
import Settings

/// What the ingress can be told.
enum IngressSettings {
    static let httpHost = Setting.text(
        "http.host",
        help: "Address that the endpoints listen on. Default: 127.0.0.1.",
        default: "127.0.0.1"
    )
    static let httpPort = Setting.integer(
        "http.port",
        help: "Port of the endpoints; 0 for any free one. Default: 8080.",
        in: 0...65535,
        default: 8080
    )
    static let adminHost = Setting.text(
        "admin.host",
        help: "Address of the private port. Default: 127.0.0.1.",
        default: "127.0.0.1"
    )
    static let adminPort = Setting.integer(
        "admin.port",
        help: "Private port, for health and metrics; 0 for any free one. Default: 9090.",
        in: 0...65535,
        default: 9090
    )
    static let tlsCertificate = Setting.text(
        "tls.certificate",
        help: "PEM file with the certificate chain; read again when it changes. Default: no TLS."
    )
    static let tlsKey = Setting.text("tls.key", help: "PEM file with the certificate's private key. Default: no TLS.")
    static let deadline = Setting.duration(
        "deadline",
        help: "From a call's arrival to its reply, such as 29s or 2500ms. Default: 29s.",
        in: .milliseconds(100)...NewEvent.longestDeadline,
        default: .seconds(29)
    )
    static let fallback = Setting.text(
        "fallback",
        help: "One sentence that is sent, with status false, instead of a bot break. Default: none."
    )
    static let algorithm = Setting<SignatureAlgorithm>(
        "algorithm",
        help: "Of the signature: sha1, sha256, sha384 or sha512. Default: sha1.",
        expected: "sha1, sha256, sha384 or sha512",
        default: .sha1
    ) { SignatureAlgorithm(rawValue: $0) }
    static let limitBody = Setting.bytes(
        "limit.body",
        help: "Largest body. Default: 1MiB.",
        in: 1...(256 << 20),
        default: 1 << 20
    )
    static let limitHead = Setting.bytes(
        "limit.head",
        help: "Largest request head. Default: 16KiB.",
        in: 1024...(1 << 20),
        default: 16 << 10
    )
    static let limitFields = Setting.integer(
        "limit.fields",
        help: "Most header fields of a request. Default: 100.",
        in: 10...1000,
        default: 100
    )
    static let limitConnections = Setting.integer(
        "limit.connections",
        help: "Most open connections. Default: 15000.",
        in: 1...1_000_000,
        default: 15_000
    )
    static let limitCalls = Setting.integer(
        "limit.calls",
        help: "Most calls that wait for a reply at once. Default: 10000.",
        in: 1...1_000_000,
        default: 10_000
    )
    static let limitBytes = Setting.bytes(
        "limit.bytes",
        help: "Most bytes of bodies kept for waiting calls. Default: 256MiB.",
        in: 1...(64 << 30),
        default: 256 << 20
    )
    static let timeoutHead = Setting.duration(
        "timeout.head",
        help: "For a request's head to be complete. Default: 10s.",
        in: timeouts,
        default: .seconds(10)
    )
    static let timeoutBody = Setting.duration(
        "timeout.body",
        help: "For a request's body to be complete. Default: 10s.",
        in: timeouts,
        default: .seconds(10)
    )
    static let timeoutIdle = Setting.duration(
        "timeout.idle",
        help: "Before an idle connection is closed. Default: 75s.",
        in: timeouts,
        default: .seconds(75)
    )
    static let databaseWait = Setting.duration(
        "database.wait",
        help: "How long calls wait for a database that is away. Default: 10s.",
        in: timeouts,
        default: .seconds(10)
    )
    static let shutdownDelay = Setting.duration(
        "shutdown.delay",
        help: "How long calls are still taken after SIGTERM, while readiness says no. Default: 0s.",
        in: .zero...(.seconds(300)),
        default: .zero
    )
    static let workerGrace = Setting.duration(
        "worker.grace",
        help: "How long calls wait for a worker that serves their node. Default: 5s.",
        in: timeouts,
        default: .seconds(5)
    )
    static let name = Setting.text(
        "name",
        help: "What the queue's views call this process. Default: ingress.",
        default: "ingress"
    )
    /// Several are separated by commas, for rotation.
    ///
    /// Never an option: command lines are seen by everybody.
    static let secret = Setting<[String]>(
        "secret",
        help: "",
        expected: "one secret or several, separated by commas, none of them empty",
        isSecret: true
    ) { text in
        let secrets = text.split(separator: ",", omittingEmptySubsequences: false).map { String($0).trimmed }
        return secrets.contains("") ? nil : secrets
    }
    static let secretFile = Setting.text("secret.file", help: "")
    static let adminNames = Setting<[String]>(
        "admin.names",
        help: "By what names browsers may call the dashboard, besides IP addresses and localhost; comma-separated.",
        expected: "names without port, separated by commas",
        default: []
    ) { text in
        let names = text.split(separator: ",", omittingEmptySubsequences: false).map { String($0).trimmed }
        return names.contains { $0.isEmpty || $0.contains { ":/ ".contains($0) } } ? nil : names
    }
    static let showPayloads = Setting(
        "show.payloads",
        help: "The dashboard shows payloads and answers, which may hold personal data.",
        expected: "true or false",
        default: false
    ) { Bool($0) }
    /// What an operator signs in with to the dashboard; never an option.
    static let operatorToken = Setting.text("operator.token", help: "", isSecret: true)
    static let operatorTokenFile = Setting.text("operator.token.file", help: "")

    private static let timeouts = Duration.milliseconds(100)...(.seconds(3600))

    /// Every key that a configuration file may have.
    static let keys: Set<String> = [
        httpHost.key, httpPort.key, adminHost.key, adminPort.key, tlsCertificate.key, tlsKey.key, deadline.key,
        fallback.key, algorithm.key, limitBody.key, limitHead.key, limitFields.key, limitConnections.key,
        limitCalls.key,
        limitBytes.key, timeoutHead.key, timeoutBody.key, timeoutIdle.key, databaseWait.key, workerGrace.key,
        shutdownDelay.key,
        name.key,
        secret.key, secretFile.key, CommonSettings.logLevel.key, CommonSettings.logFormat.key,
        adminNames.key, showPayloads.key, operatorToken.key, operatorTokenFile.key,
    ]

    /// Those that SIGHUP changes: they belong to the endpoints.
    static let reloadedKeys: Set<String> = [deadline.key, fallback.key, algorithm.key, secret.key, secretFile.key]

    /// The default endpoint's secrets: `REJOINDER_SECRET`, or the file that `REJOINDER_SECRET_FILE` names; none where
    /// neither is set.
    static func secrets(_ reader: SettingsReader) throws(SettingError) -> [String] {
        if let secrets = try reader.optional(self.secret) { return secrets }
        guard let path = try reader.optional(self.secretFile) else { return [] }
        return [try self.secret(fromFile: path, named: self.secretFile.variable)]
    }

    /// What the dashboard shows, and to whom.
    static func dashboard(_ reader: SettingsReader) throws(SettingError) -> DashboardOptions {
        var options = DashboardOptions(token: try reader.optional(self.operatorToken))
        if options.token == nil, let path = try reader.optional(self.operatorTokenFile) {
            options.token = try self.secret(fromFile: path, named: self.operatorTokenFile.variable)
        }
        options.showsPayloads = try reader.required(self.showPayloads)
        options.names = try reader.required(self.adminNames)
        options.processName = try reader.required(self.name)
        return options
    }

    /// A file's contents without the newline at its end.
    static func secret(fromFile path: String, named name: String) throws(SettingError) -> String {
        do {
            let secret = String(decoding: try FileContents.file(path), as: UTF8.self).trimmed
            if !secret.isEmpty { return secret }
        } catch {
            throw SettingError("\(name): the file \(path) can't be read: \(error)")
        }
        throw SettingError("\(name): the file \(path) is empty, expected a secret")
    }
}

extension String {
    /// Without white space at both ends.
    var trimmed: String {
        var text = self[...]
        while text.first?.isWhitespace ?? false { text.removeFirst() }
        while text.last?.isWhitespace ?? false { text.removeLast() }
        return String(text)
    }
}
