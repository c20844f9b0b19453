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
        for (key, value) in object where key != "endpoints" {
            try Self.flatten(value, key, path, into: &values)
        }
        if let unknown = values.keys.filter({ !knownKeys.contains($0) }).min() {
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
        into values: inout [String: String]
    ) throws(SettingError) {
        switch value {
        case .object(let object):
            for (part, value) in object { try self.flatten(value, "\(key).\(part)", path, into: &values) }
        case .string(let text): values[key] = text
        case .number(let text): values[key] = text
        case .bool(let flag): values[key] = "\(flag)"
        case .null: break
        case .array: throw SettingError("\(key) in \(path) is an array, expected a single value")
        }
    }
}
