import HaptikWebhook
import Settings

/// The optional configuration file: strict JSON, its settings by key, and the endpoints.
struct ConfigurationFile {
    let path: String
    /// The settings as text, by their dotted key.
    let values: [String: String]
    let endpoints: [JSONValue]

    /// - Throws: when it can't be read, is not JSON, or has a key that is no setting.
    init(path: String, knownKeys: Set<String>) throws(SettingError) {
        let bytes: [UInt8]
        do { bytes = try FileContents.file(path) } catch {
            throw SettingError("the configuration file \(path) can't be read: \(error)")
        }
        let root: JSONValue
        do throws(JSONError) { root = try JSONValue(parsing: bytes) } catch {
            throw SettingError("the configuration file \(path) is not valid JSON: \(error)")
        }
        guard let object = root.object else {
            throw SettingError("the configuration file \(path) is not a JSON object")
        }
        var values: [String: String] = [:]
        // Of groups and of null: nothing is set, but it may be mistyped.
        var mentioned: [String] = []
        for (key, value) in object where key != "endpoints" {
            try Self.flatten(value, key, path, into: &values, &mentioned)
        }
        let groups = mentioned.filter { key in !knownKeys.contains { $0 == key || $0.hasPrefix(key + ".") } }
        if let unknown = (values.keys.filter { !knownKeys.contains($0) } + groups).min() {
            throw SettingError("\(unknown) in \(path) is not a setting, expected one of those that --help lists")
        }
        guard let endpoints = (object["endpoints"] ?? []).array else {
            throw SettingError("endpoints in \(path) is not an array, expected [{\"path\": \"/…\", …}]")
        }
        self.path = path
        self.values = values
        self.endpoints = endpoints
    }

    private static func flatten(
        _ value: JSONValue,
        _ key: String,
        _ path: String,
        into values: inout [String: String],
        _ mentioned: inout [String]
    ) throws(SettingError) {
        let text: String
        switch value {
        case .object(let object):
            mentioned.append(key)
            for (part, value) in object { try self.flatten(value, "\(key).\(part)", path, into: &values, &mentioned) }
            return
        case .null:
            mentioned.append(key)
            return
        case .string(let string): text = string
        case .number(let number): text = number
        case .bool(let flag): text = "\(flag)"
        case .array: throw SettingError("\(key) in \(path) is an array, expected a single value")
        }
        guard values.updateValue(text, forKey: key) == nil else {
            throw SettingError("\(key) in \(path) is there twice, by its own name and in a group")
        }
    }
}
