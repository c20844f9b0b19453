extension LocalPostgres {
    /// The two ways to reach the server.
    package enum Transport: Sendable {
        case socket
        case tcp
    }

    /// A libpq URI for a database of the cluster, valid from the first start until `remove()`.
    ///
    /// - Parameters:
    ///   - database: The database's name.
    ///   - user: The role's name. A TCP address holds a password for `postgres` alone.
    ///   - transport: The socket, or TCP on 127.0.0.1.
    /// - Returns: The URI, such as psql takes it.
    /// - Throws: `LocalPostgresError.neverStarted` when the cluster doesn't exist yet.
    package func connectionString(
        database: String = "postgres",
        user: String = "postgres",
        over transport: Transport = .socket
    ) throws(LocalPostgresError) -> String {
        guard let endpoint = try Endpoint.stored(in: folder) else { throw .neverStarted(directory: directory) }
        let user = Self.percentEncoded(user)
        let database = Self.percentEncoded(database)
        switch transport {
        case .socket:
            let host = Self.percentEncoded(endpoint.socketDirectory)
            return "postgres://\(user)@/\(database)?host=\(host)&port=\(endpoint.port)"
        case .tcp:
            let password = user == "postgres" ? ":\(endpoint.password)" : ""
            return "postgres://\(user)\(password)@127.0.0.1:\(endpoint.port)/\(database)"
        }
    }

    /// `text` with everything but the unreserved characters of RFC 3986 escaped.
    private static func percentEncoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.reduce(into: "") { result, byte in
            let character = Character(Unicode.Scalar(byte))
            if character.isASCII, character.isLetter || character.isNumber || "-._~".contains(character) {
                result.append(character)
            } else {
                result += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }
    }
}
