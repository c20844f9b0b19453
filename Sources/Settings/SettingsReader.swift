import Configuration
import SystemPackage

/// Reads settings: the command line before the environment, the environment before the file, then the default.
package struct SettingsReader: Sendable {
    private let options: ConfigReader
    private let environment: ConfigReader
    private let file: (path: String, reader: ConfigReader)?

    /// - Parameters:
    ///   - options: what the command line says, by key.
    ///   - environment: all of the environment's variables.
    ///   - file: the path of the optional configuration file, JSON.
    /// - Throws: when the file can't be read, or isn't JSON.
    package init(
        options: [String: String?] = [:],
        environment: [String: String],
        file path: String? = nil
    ) async throws(SettingError) {
        let given = options.compactMapValues(\.self).map { key, value in
            (AbsoluteConfigKey(Self.parts(of: key)), ConfigValue(.string(value), isSecret: false))
        }
        self.options = ConfigReader(
            provider: InMemoryProvider(name: "options", values: Dictionary(uniqueKeysWithValues: given))
        )
        self.environment = ConfigReader(
            provider: EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "rejoinder")
        )
        guard let path else {
            self.file = nil
            return
        }
        do {
            let provider = try await FileProvider<JSONSnapshot>(filePath: FilePath(path))
            self.file = (path, ConfigReader(provider: provider))
        } catch {
            throw SettingError("the configuration file \(path) can't be read: \(error)")
        }
    }

    /// The setting's value.
    ///
    /// - Throws: when no source has it and there is no default, or when the first source that has it has a malformed one.
    package func required<Value>(_ setting: Setting<Value>) async throws(SettingError) -> Value {
        if let value = try await self.optional(setting) { return value }
        throw SettingError("\(setting.variable) is not set, expected \(setting.expected)")
    }

    /// The setting's value, or its default; nil where there is neither.
    package func optional<Value>(_ setting: Setting<Value>) async throws(SettingError) -> Value? {
        var sources: [(name: String, reader: ConfigReader)] = [
            (setting.option, self.options), (setting.variable, self.environment),
        ]
        if let file { sources.append(("\(setting.key) in \(file.path)", file.reader)) }
        for (name, reader) in sources {
            guard let text = await Self.text(setting, from: reader) else { continue }
            guard let value = setting.parse(text) else {
                let shown = setting.isSecret ? "" : " is \"\(text)\","
                throw SettingError("\(name)\(shown.isEmpty ? " is malformed or empty," : shown) expected \(setting.expected)")
            }
            return value
        }
        return setting.default
    }

    /// The value as text, also where a file has it as a number or a boolean.
    private static func text<Value>(_ setting: Setting<Value>, from reader: ConfigReader) async -> String? {
        let key = ConfigKey(self.parts(of: setting.key))
        if let text = try? await reader.fetchString(forKey: key, isSecret: setting.isSecret) { return text }
        if let number = try? await reader.fetchInt(forKey: key, isSecret: setting.isSecret) { return "\(number)" }
        if let number = try? await reader.fetchDouble(forKey: key, isSecret: setting.isSecret) { return "\(number)" }
        if let flag = try? await reader.fetchBool(forKey: key, isSecret: setting.isSecret) { return "\(flag)" }
        return nil
    }

    private static func parts(of key: String) -> [String] {
        key.split(separator: ".").map(String.init)
    }
}

/// What is wrong with what the program was told: one line for the operator, who then sees exit code 78.
package struct SettingError: Error, Sendable, CustomStringConvertible {
    /// `EX_CONFIG` of `sysexits.h`.
    package static let exitCode: Int32 = 78

    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
