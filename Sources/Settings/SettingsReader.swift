import Configuration

/// Reads settings: the command line before the environment, the environment before the file, then the default.
package struct SettingsReader: Sendable {
    private let options: ConfigReader
    private let environment: ConfigReader
    private let file: (path: String, reader: ConfigReader)?

    /// - Parameters:
    ///   - options: what the command line says, by key.
    ///   - environment: all of the environment's variables.
    ///   - file: the optional configuration file's path and its values, as text, by key.
    package init(
        options: [String: String?] = [:],
        environment: [String: String],
        file: (path: String, values: [String: String])? = nil
    ) {
        self.options = Self.reader("options", options.compactMapValues(\.self))
        self.environment = ConfigReader(
            provider: EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "rejoinder")
        )
        self.file = file.map { ($0.path, Self.reader("file", $0.values)) }
    }

    private static func reader(_ name: String, _ values: [String: String]) -> ConfigReader {
        let values = values.map { (AbsoluteConfigKey(self.parts(of: $0)), ConfigValue(.string($1), isSecret: false)) }
        return ConfigReader(provider: InMemoryProvider(name: name, values: Dictionary(uniqueKeysWithValues: values)))
    }

    /// The setting's value.
    ///
    /// - Throws: when no source has it and there is no default, or when the first source that has it has a malformed one.
    package func required<Value>(_ setting: Setting<Value>) throws(SettingError) -> Value {
        if let value = try self.optional(setting) { return value }
        throw SettingError("\(setting.variable) is not set, expected \(setting.expected)")
    }

    /// The setting's value, or its default; nil where there is neither.
    package func optional<Value>(_ setting: Setting<Value>) throws(SettingError) -> Value? {
        var sources: [(name: String, reader: ConfigReader)] = [
            (setting.option, self.options), (setting.variable, self.environment),
        ]
        if let file { sources.append(("\(setting.key) in \(file.path)", file.reader)) }
        for (name, reader) in sources {
            let key = ConfigKey(Self.parts(of: setting.key))
            guard let text = reader.string(forKey: key, isSecret: setting.isSecret) else { continue }
            guard let value = setting.parse(text) else {
                let shown = setting.isSecret ? "is malformed or empty" : "is \"\(text)\""
                throw SettingError("\(name) \(shown), expected \(setting.expected)")
            }
            return value
        }
        return setting.default
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
