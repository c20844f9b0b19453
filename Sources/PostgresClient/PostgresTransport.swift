import CLibPQ

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

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

extension PostgresTransport {
    init(of connection: OpaquePointer?) {
        let address = PQhostaddr(connection).map { String(cString: $0) }
        let encryption: Encryption =
            if PQsslInUse(connection) != 0 {
                .tls
            } else if PQgssEncInUse(connection) != 0 {
                .gssapi
            } else {
                .absent
            }
        let options = PostgresConfiguration.values(ruling: connection)
        let mode = options["sslmode"] ?? ""
        let home = getenv("HOME").map { String(cString: $0) } ?? ""
        let root = options["sslrootcert"] ?? home + "/.postgresql/root.crt"
        self.init(
            address: address.flatMap { $0.isEmpty ? nil : $0 },
            encryption: encryption,
            sslMode: mode == "require" && access(root, F_OK) == 0 ? "verify-ca" : mode
        )
    }
}
