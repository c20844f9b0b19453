import HaptikWebhook
import Settings

/// The secrets of one endpoint, and where they come from.
struct EndpointSecrets {
    let endpoint: String
    let secrets: [String]
    /// The files that hold some of them.
    let files: [String]
}

extension EndpointSettings {
    /// The secrets of all endpoints that have any.
    func endpointSecrets() throws(SettingError) -> [EndpointSecrets] {
        var all: [EndpointSecrets] = []
        for (index, value) in (self.file?.endpoints ?? []).enumerated() {
            guard let object = value.object, object["unsigned"] != .bool(true) else { continue }
            let name = object["path"]?.string ?? "endpoints[\(index)]"
            let files = try Self.strings("secret_files", object, name)
            all.append(EndpointSecrets(endpoint: name, secrets: try self.secrets(object, name), files: files))
        }
        let secrets = try IngressSettings.secrets(self.reader)
        guard !secrets.isEmpty else { return all }
        let isInVariable = try self.reader.optional(IngressSettings.secret) != nil
        let file = isInVariable ? nil : try self.reader.optional(IngressSettings.secretFile)
        return all + [EndpointSecrets(endpoint: "/webhook", secrets: secrets, files: file.map { [$0] } ?? [])]
    }
}
