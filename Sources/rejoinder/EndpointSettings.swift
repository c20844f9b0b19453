import HaptikWebhook
import RejoinderIngress
import Settings

/// Makes the endpoints of the settings, and of the configuration file's `endpoints`.
struct EndpointSettings {
    let reader: SettingsReader
    let file: ConfigurationFile?
    private let environment: [String: String]

    init(reader: SettingsReader, file: ConfigurationFile?, environment: [String: String]) {
        self.reader = reader
        self.file = file
        self.environment = environment
    }

    private static let keys: Set<String> = [
        "path", "secrets", "secret_variables", "secret_files", "algorithm", "deadline", "fallback", "unsigned",
    ]

    /// `/webhook` with `REJOINDER_SECRET`, and those of the file.
    ///
    /// - Throws: when there is none, or one of them is malformed or has no secret.
    func endpoints() throws(SettingError) -> [Endpoint] {
        var endpoints: [Endpoint] = []
        for (index, value) in (self.file?.endpoints ?? []).enumerated() {
            let endpoint = try self.endpoint(value, "endpoints[\(index)] in \(self.file?.path ?? "")")
            guard !endpoints.contains(where: { $0.path == endpoint.path }) else {
                throw SettingError("there are two endpoints with the path \(endpoint.path)")
            }
            endpoints.append(endpoint)
        }
        let secrets = try IngressSettings.secrets(self.reader)
        if !secrets.isEmpty, !endpoints.contains(where: { $0.path == "/webhook" }) {
            let verifier = try Self.verifier(try self.reader.required(IngressSettings.algorithm), secrets, "/webhook")
            endpoints.append(try self.endpoint(path: "/webhook", verifier))
        }
        guard !endpoints.isEmpty else {
            throw SettingError(
                "REJOINDER_SECRET is not set, expected \(IngressSettings.secret.expected)"
                    + " (or REJOINDER_SECRET_FILE, or endpoints in a configuration file)"
            )
        }
        return endpoints
    }

    private func endpoint(path: String, _ verifier: SignatureVerifier?) throws(SettingError) -> Endpoint {
        Endpoint(
            path: path,
            verifier: verifier,
            deadline: try self.reader.required(IngressSettings.deadline),
            fallback: try self.reader.optional(IngressSettings.fallback).map { Reply.failure($0) }
        )
    }

    private func endpoint(_ value: JSONValue, _ name: String) throws(SettingError) -> Endpoint {
        guard let object = value.object else { throw SettingError("\(name) is not an object") }
        if let unknown = object.keys.filter({ !Self.keys.contains($0) }).min() {
            throw SettingError("\(name) has the key \(unknown), expected \(Self.keys.sorted().joined(separator: ", "))")
        }
        guard let path = object["path"]?.string, path.hasPrefix("/"), !path.contains(where: { "?# ".contains($0) })
        else {
            throw SettingError("\(name) has no valid path, expected one such as \"/orders\"")
        }
        let isUnsigned = object["unsigned"] == .bool(true)
        let secrets = try self.secrets(object, name)
        guard isUnsigned != !secrets.isEmpty else {
            throw SettingError(
                isUnsigned
                    ? "\(name) is unsigned and has secrets, expected one or the other"
                    : "\(name) has no secret, expected secrets, secret_variables, secret_files, or \"unsigned\": true"
            )
        }
        let common = try self.reader.required(IngressSettings.algorithm)
        let algorithm = try Self.value(IngressSettings.algorithm, object, name) ?? common
        let verifier = isUnsigned ? nil : try Self.verifier(algorithm, secrets, name)
        let usual = try self.endpoint(path: path, verifier)
        return Endpoint(
            path: path,
            verifier: verifier,
            deadline: try Self.value(IngressSettings.deadline, object, name) ?? usual.deadline,
            fallback: try Self.value(IngressSettings.fallback, object, name).map { Reply.failure($0) }
                ?? usual.fallback
        )
    }

    func secrets(_ object: [String: JSONValue], _ name: String) throws(SettingError) -> [String] {
        var secrets = try Self.strings("secrets", object, name)
        for variable in try Self.strings("secret_variables", object, name) {
            guard let text = self.environment[variable], let values = IngressSettings.secret.parse(text) else {
                throw SettingError("\(variable), which \(name) names, is not set or empty, expected a secret")
            }
            secrets += values
        }
        for path in try Self.strings("secret_files", object, name) {
            secrets.append(try IngressSettings.secret(fromFile: path, named: name))
        }
        return secrets
    }

    static func strings(
        _ key: String,
        _ object: [String: JSONValue],
        _ name: String
    ) throws(SettingError) -> [String] {
        guard let value = object[key] else { return [] }
        guard let strings = value.array?.map(\.string), !strings.contains(nil) else {
            throw SettingError("\(key) of \(name) is malformed, expected an array of strings")
        }
        return strings.compactMap(\.self)
    }

    private static func value<Value>(
        _ setting: Setting<Value>,
        _ object: [String: JSONValue],
        _ name: String
    ) throws(SettingError) -> Value? {
        guard let value = object[setting.key] else { return nil }
        guard let text = value.string, let parsed = setting.parse(text) else {
            throw SettingError("\(setting.key) of \(name) is malformed, expected \(setting.expected)")
        }
        return parsed
    }

    private static func verifier(
        _ algorithm: SignatureAlgorithm,
        _ secrets: [String],
        _ name: String
    ) throws(SettingError) -> SignatureVerifier {
        do throws(SignatureError) {
            return try SignatureVerifier(algorithm: algorithm, secrets: secrets)
        } catch {
            throw SettingError("\(name): \(error)")
        }
    }
}
