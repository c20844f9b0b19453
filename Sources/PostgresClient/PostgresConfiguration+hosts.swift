import CLibPQ

/// One of the servers that a connection string names.
package struct PostgresHost: Sendable {
    /// As the connection string has it: `db1:5432`, or the folder of a socket.
    package let name: String
    /// For this one alone, be it the primary or a standby.
    package let configuration: PostgresConfiguration
}

extension PostgresConfiguration {
    /// Each server that the connection string names, or where it names none, libpq's own variables.
    ///
    /// - Throws: `.connectionFailed` with libpq's reason, for a string that it can't read.
    package func hosts() throws(PostgresError) -> [PostgresHost] {
        var options = try self.options()
        let defaults = Self.values(PQconndefaults())
        for keyword in ["host", "hostaddr", "port"] where options[keyword] == nil {
            options[keyword] = defaults[keyword]
        }
        // A service's hosts are known to libpq alone.
        if options["service"] != nil { options["host"] = nil }
        let hosts = Self.list(options["host"])
        let addresses = Self.list(options["hostaddr"])
        let ports = Self.list(options["port"])
        return (0..<max(1, hosts.count, addresses.count)).map { index in
            var own = options
            own["host"] = index < hosts.count ? hosts[index] : nil
            own["hostaddr"] = index < addresses.count ? addresses[index] : nil
            own["port"] = ports.count == 1 ? ports[0] : index < ports.count ? ports[index] : nil
            own["target_session_attrs"] = "any"
            var configuration = self.direct
            configuration.connectionString = Self.connectionString(own)
            return PostgresHost(name: Self.name(own), configuration: configuration)
        }
    }

    /// What the connection string says, by keyword.
    private func options() throws(PostgresError) -> [String: String] {
        guard let connectionString, !connectionString.isEmpty else { return [:] }
        // As libpq tells them apart: anything else is a database's name.
        guard connectionString.contains("=") || connectionString.contains("://") else {
            return ["dbname": connectionString]
        }
        var message: UnsafeMutablePointer<CChar>?
        guard let options = PQconninfoParse(connectionString, &message) else {
            defer { PQfreemem(message) }
            let reason = message.map { String(cString: $0) } ?? "the connection string can't be read"
            throw PostgresError(.connectionFailed, reason.split(whereSeparator: \.isNewline).joined(separator: "; "))
        }
        return Self.values(options)
    }

    private static func values(_ options: UnsafeMutablePointer<PQconninfoOption>?) -> [String: String] {
        guard let options else { return [:] }
        defer { PQconninfoFree(options) }
        var values: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { values[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        return values
    }

    private static func list(_ text: String?) -> [String] {
        guard let text, !text.isEmpty else { return [] }
        return text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    private static func name(_ options: [String: String]) -> String {
        let host = options["host"].flatMap { $0.isEmpty ? nil : $0 } ?? options["hostaddr"] ?? "the local socket"
        return "\(host):\(options["port"].flatMap { $0.isEmpty ? nil : $0 } ?? "5432")"
    }

    /// Keywords and values, quoted as libpq reads them.
    private static func connectionString(_ options: [String: String]) -> String {
        options.sorted { $0.key < $1.key }.map { keyword, value in
            let quoted = value.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
            return "\(keyword)='\(quoted)'"
        }.joined(separator: " ")
    }
}
