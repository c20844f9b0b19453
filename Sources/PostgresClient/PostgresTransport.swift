/// How a connection goes to its server, or to the pooler before it.
package struct PostgresTransport: Sendable, Hashable {
    package enum Encryption: Sendable, Hashable {
        case absent
        case tls
        case gssapi
    }

    /// Where it goes to; nil for a Unix socket.
    package let address: String?
    package let encryption: Encryption
    /// libpq's `sslmode`, which says whether the server's certificate had to be verified; `require` with a root certificate
    /// is `verify-ca`, as libpq takes it.
    package let sslMode: String

    package init(address: String?, encryption: Encryption, sslMode: String) {
        self.address = address
        self.encryption = encryption
        self.sslMode = sslMode
    }
}
