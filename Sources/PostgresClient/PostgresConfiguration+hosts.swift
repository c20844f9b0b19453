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
        let (options, servers) = try self.servers()
        return servers.map { server in
            var own = options
            (own["host"], own["hostaddr"], own["port"]) = (server.host, server.address, server.port)
            own["target_session_attrs"] = "any"
            var configuration = self.direct
            configuration.connectionString = Self.connectionString(own)
            return PostgresHost(name: Self.name(own), configuration: configuration)
        }
    }

    /// The same, but that this host is tried first; unchanged where it is first already, or none of several.
    func trying(first host: (name: String, port: String)) -> PostgresConfiguration {
        guard
            let (options, named) = try? self.servers(),
            let index = named.firstIndex(where: {
                ($0.host ?? $0.address) == host.name && ($0.port ?? "5432") == host.port
            }),
            index > 0
        else { return self }
        var servers = named
        servers.insert(servers.remove(at: index), at: 0)
        var own = options
        func list(_ values: [String?]) -> String? {
            values.allSatisfy { $0 == nil } ? nil : values.map { $0 ?? "" }.joined(separator: ",")
        }
        own["host"] = list(servers.map(\.host))
        own["hostaddr"] = list(servers.map(\.address))
        own["port"] = list(servers.map(\.port))
        var configuration = self
        configuration.connectionString = Self.connectionString(own)
        return configuration
    }

    private struct Server {
        let host: String?
        let address: String?
        let port: String?
    }

    /// What the connection string says, by keyword, and each server that it or libpq's own variables name, at least one.
    private func servers() throws(PostgresError) -> (options: [String: String], servers: [Server]) {
        var options = try self.options()
        // A service's hosts are known to libpq alone.
        let defaults = options["service"] == nil ? Self.defaults() : [:]
        for keyword in ["host", "hostaddr", "port"] where options[keyword] == nil {
            options[keyword] = defaults[keyword]
        }
        let hosts = Self.list(options["host"])
        let addresses = Self.list(options["hostaddr"])
        let ports = Self.list(options["port"])
        let servers = (0..<max(1, hosts.count, addresses.count)).map { index in
            Server(
                host: index < hosts.count ? hosts[index] : nil,
                address: index < addresses.count ? addresses[index] : nil,
                port: ports.count == 1 ? ports[0] : index < ports.count ? ports[index] : nil
            )
        }
        return (options, servers)
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
