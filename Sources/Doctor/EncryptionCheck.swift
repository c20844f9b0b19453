import PostgresClient

/// Whether somebody on the way to the database can read what goes there, or stand in for it.
struct EncryptionCheck: Sendable {
    private static let name = "encryption"
    private static let remedy =
        "DATABASE_URL='postgres://LOGIN@HOST:5432/DATABASE?sslmode=verify-full&sslrootcert=AUTHORITY.pem'"

    static func finding(_ transport: PostgresTransport) -> Finding {
        if Self.isLocal(transport.address) { return Finding(Self.name, .ok, "the connection stays on this host") }
        switch transport.encryption {
        case .absent where transport.sslMode == "disable":
            return Finding(Self.name, .ok, "the connection is not encrypted, as sslmode=disable says")
        case .absent:
            let text = "the connection is not encrypted: whoever is on the way can read payloads and answers"
            return Finding(Self.name, .warning, text, remedy: Self.remedy + " # and ssl = on there")
        case .tls where !["verify-ca", "verify-full"].contains(transport.sslMode):
            let text = "TLS with sslmode=\(transport.sslMode): whoever is on the way may stand in for the database"
            return Finding(Self.name, .warning, text, remedy: Self.remedy)
        case .tls: return Finding(Self.name, .ok, "TLS with sslmode=\(transport.sslMode)")
        case .gssapi: return Finding(Self.name, .ok, "the connection is encrypted by GSSAPI")
        }
    }

    /// A Unix socket, or a loopback address.
    private static func isLocal(_ address: String?) -> Bool {
        guard let address else { return true }
        return address == "::1" || address.hasPrefix("127.") || address.hasPrefix("::ffff:127.")
    }
}
