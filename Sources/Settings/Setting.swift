/// One thing that a program can be told: on the command line, in the environment or in the configuration file.
///
/// `http.port` is `--http-port`, `REJOINDER_HTTP_PORT` and the key `http.port` of the file (`{"http": {"port": 8080}}`).
package struct Setting<Value: Sendable>: Sendable {
    /// The key in the file, its parts separated by dots.
    package let key: String
    /// What it means, with its unit and default.
    package let help: String
    /// What a value must look like; ends the sentence "expected …".
    package let expected: String
    package let isSecret: Bool
    package let `default`: Value?
    package let parse: @Sendable (String) -> Value?

    package init(
        _ key: String,
        help: String,
        expected: String,
        isSecret: Bool = false,
        default: Value? = nil,
        parse: @escaping @Sendable (String) -> Value?
    ) {
        self.key = key
        self.help = help
        self.expected = expected
        self.isSecret = isSecret
        self.default = `default`
        self.parse = parse
    }

    /// The option, such as `--http-port`.
    package var option: String { "--" + self.key.replacing(".", with: "-") }

    /// The environment's variable, such as `REJOINDER_HTTP_PORT`.
    package var variable: String { "REJOINDER_" + self.key.replacing(".", with: "_").uppercased() }
}

extension Setting where Value == String {
    package static func text(_ key: String, help: String, default: String? = nil, isSecret: Bool = false) -> Setting {
        Setting(key, help: help, expected: "a text that is not empty", isSecret: isSecret, default: `default`) {
            $0.isEmpty ? nil : $0
        }
    }
}

extension Setting where Value == Int {
    package static func integer(_ key: String, help: String, in range: ClosedRange<Int>, default: Int?) -> Setting {
        Setting(
            key,
            help: help,
            expected: "a whole number from \(range.lowerBound) to \(range.upperBound)",
            default: `default`
        ) { text in Int(text).flatMap { range.contains($0) ? $0 : nil } }
    }

    /// Bytes: `1048576`, `16KiB`, `1MiB`.
    package static func bytes(_ key: String, help: String, in range: ClosedRange<Int>, default: Int) -> Setting {
        Setting(
            key,
            help: help,
            expected: "a size such as 65536, 512KiB or 1MiB, from \(range.lowerBound) to \(range.upperBound) bytes",
            default: `default`
        ) { text in
            let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)]
            guard let (suffix, factor) = units.first(where: { text.hasSuffix($0.0) }) else { return nil }
            guard let count = Int(text.dropLast(suffix.count)) else { return nil }
            let (bytes, isTooLarge) = count.multipliedReportingOverflow(by: factor)
            return !isTooLarge && range.contains(bytes) ? bytes : nil
        }
    }
}

extension Setting where Value == Duration {
    /// `29s`, `2500ms`, `2m`.
    package static func duration(
        _ key: String,
        help: String,
        in range: ClosedRange<Duration>,
        default: Duration?
    ) -> Setting {
        Setting(
            key,
            help: help,
            expected: "a time such as 29s, 2500ms or 2m, from \(range.lowerBound) to \(range.upperBound)",
            default: `default`
        ) { text in Duration(setting: text).flatMap { range.contains($0) ? $0 : nil } }
    }
}

extension Duration {
    /// Reads a whole number followed by `ms`, `s` or `m`.
    package init?(setting text: String) {
        let units = [("ms", Duration.milliseconds(1)), ("s", .seconds(1)), ("m", .seconds(60))]
        guard
            let (suffix, unit) = units.first(where: { text.hasSuffix($0.0) }),
            let count = Int32(text.dropLast(suffix.count)), count >= 0
        else { return nil }
        self = unit * Int(count)
    }
}
