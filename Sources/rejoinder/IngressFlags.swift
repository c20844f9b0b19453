import ArgumentParser
import EventQueue
import Logging
import RejoinderIngress
import Settings

/// The ingress's options on the command line.
///
/// Each is also a variable of the environment, and a key of the file.
struct IngressFlags: ParsableArguments {
    @Option(name: .customLong("config"), help: "A configuration file, JSON. Default: none.")
    var config: String?

    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.httpHost.help)) var httpHost: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.httpPort.help)) var httpPort: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.adminHost.help)) var adminHost: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.adminPort.help)) var adminPort: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.tlsCertificate.help))
    var tlsCertificate: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.tlsKey.help)) var tlsKey: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.deadline.help)) var deadline: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.fallback.help)) var fallback: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.algorithm.help)) var algorithm: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.limitBody.help)) var limitBody: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.limitHead.help)) var limitHead: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.limitFields.help)) var limitFields: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.limitConnections.help))
    var limitConnections: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.limitCalls.help)) var limitCalls: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.limitBytes.help)) var limitBytes: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.timeoutHead.help)) var timeoutHead: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.timeoutBody.help)) var timeoutBody: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.timeoutIdle.help)) var timeoutIdle: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.databaseWait.help)) var databaseWait: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.workerGrace.help)) var workerGrace: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.shutdownDelay.help))
    var shutdownDelay: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.adminNames.help)) var adminNames: String?
    @Flag(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.showPayloads.help)) var showPayloads = false
    @Option(name: .long, help: ArgumentHelp(stringLiteral: IngressSettings.name.help)) var name: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: CommonSettings.logLevel.help)) var logLevel: String?
    @Option(name: .long, help: ArgumentHelp(stringLiteral: CommonSettings.logFormat.help)) var logFormat: String?

    private var given: [String: String?] {
        [
            IngressSettings.httpHost.key: self.httpHost,
            IngressSettings.httpPort.key: self.httpPort,
            IngressSettings.adminHost.key: self.adminHost,
            IngressSettings.adminPort.key: self.adminPort,
            IngressSettings.tlsCertificate.key: self.tlsCertificate,
            IngressSettings.tlsKey.key: self.tlsKey,
            IngressSettings.deadline.key: self.deadline,
            IngressSettings.fallback.key: self.fallback,
            IngressSettings.algorithm.key: self.algorithm,
            IngressSettings.limitBody.key: self.limitBody,
            IngressSettings.limitHead.key: self.limitHead,
            IngressSettings.limitFields.key: self.limitFields,
            IngressSettings.limitConnections.key: self.limitConnections,
            IngressSettings.limitCalls.key: self.limitCalls,
            IngressSettings.limitBytes.key: self.limitBytes,
            IngressSettings.timeoutHead.key: self.timeoutHead,
            IngressSettings.timeoutBody.key: self.timeoutBody,
            IngressSettings.timeoutIdle.key: self.timeoutIdle,
            IngressSettings.databaseWait.key: self.databaseWait,
            IngressSettings.workerGrace.key: self.workerGrace,
            IngressSettings.shutdownDelay.key: self.shutdownDelay,
            IngressSettings.adminNames.key: self.adminNames,
            IngressSettings.showPayloads.key: self.showPayloads ? "true" : nil,
            IngressSettings.name.key: self.name,
            CommonSettings.logLevel.key: self.logLevel,
            CommonSettings.logFormat.key: self.logFormat,
        ]
    }

    /// The settings, from all their sources.
    func read(environment: [String: String]) throws(SettingError) -> (SettingsReader, ConfigurationFile?) {
        var file: ConfigurationFile?
        if let path = self.config ?? environment["REJOINDER_CONFIG"] {
            file = try ConfigurationFile(path: path, knownKeys: IngressSettings.keys)
        }
        let reader = SettingsReader(
            options: self.given,
            environment: environment,
            file: file.map { ($0.path, $0.values) }
        )
        return (reader, file)
    }

    /// A program's logger, as it was told to log.
    func logger(_ label: String, _ reader: SettingsReader) throws(SettingError) -> Logger {
        Logger.program(
            label,
            level: try reader.required(CommonSettings.logLevel),
            format: try reader.required(CommonSettings.logFormat)
        )
    }

    /// What the ingress is to do.
    ///
    /// - Throws: for the first setting that is malformed.
    func options(
        _ reader: SettingsReader,
        _ file: ConfigurationFile?,
        environment: [String: String]
    ) throws(SettingError) -> IngressOptions {
        let endpoints = EndpointSettings(reader: reader, file: file, environment: environment)
        var options = IngressOptions(endpoints: try endpoints.endpoints())
        let (http, admin) = try self.places(reader)
        (options.host, options.port) = (http.host, http.port)
        (options.adminHost, options.adminPort) = (admin.host, admin.port)
        options.tls = try self.tls(reader)
        options.bodyBytes = try reader.required(IngressSettings.limitBody)
        options.headBytes = try reader.required(IngressSettings.limitHead)
        options.headFields = try reader.required(IngressSettings.limitFields)
        options.connections = try reader.required(IngressSettings.limitConnections)
        options.headTimeout = try reader.required(IngressSettings.timeoutHead)
        options.bodyTimeout = try reader.required(IngressSettings.timeoutBody)
        options.idleTimeout = try reader.required(IngressSettings.timeoutIdle)
        options.queue.waiting = try reader.required(IngressSettings.limitCalls)
        options.queue.waitingBytes = try reader.required(IngressSettings.limitBytes)
        options.queue.databaseWait = try reader.required(IngressSettings.databaseWait)
        options.queue.workerGrace = try reader.required(IngressSettings.workerGrace)
        return options
    }

    /// Where the endpoints and the private port listen.
    ///
    /// - Throws: also where both are one place.
    func places(
        _ reader: SettingsReader
    ) throws(SettingError) -> (http: (host: String, port: Int), admin: (host: String, port: Int)) {
        let http = (
            host: try reader.required(IngressSettings.httpHost), port: try reader.required(IngressSettings.httpPort)
        )
        let admin = (
            host: try reader.required(IngressSettings.adminHost), port: try reader.required(IngressSettings.adminPort)
        )
        guard http.port == 0 || http != admin else {
            let names = "\(IngressSettings.httpPort.key) and \(IngressSettings.adminPort.key)"
            throw SettingError("\(names) are both \(http.port) on \(http.host), expected two different ports")
        }
        return (http, admin)
    }

    private func tls(_ reader: SettingsReader) throws(SettingError) -> IngressOptions.TLS? {
        let certificate = try reader.optional(IngressSettings.tlsCertificate)
        let key = try reader.optional(IngressSettings.tlsKey)
        switch (certificate, key) {
        case (nil, nil): return nil
        case (let certificate?, let key?): return IngressOptions.TLS(certificatePath: certificate, keyPath: key)
        case (nil, _): throw SettingError("\(IngressSettings.tlsCertificate.variable) is not set, expected a PEM file")
        case (_, nil): throw SettingError("\(IngressSettings.tlsKey.variable) is not set, expected a PEM file")
        }
    }
}
