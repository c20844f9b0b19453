import CoreMetrics
import NIOSSL
import RejoinderMetrics

/// What is measured of the public port as a whole.
enum IngressMetrics {
    static let connections = Meter(.connections)
    static let certificateLoadFailures = Counter(.certificateLoadFailures)

    /// Makes the handles, so that what has not happened yet is shown as 0.
    static func begin(_ options: IngressOptions) {
        self.connections.set(0)
        Meter(.connectionsLimit).set(options.connections)
        _ = Counter(.reloadFailures)
        if options.tls != nil { _ = self.certificateLoadFailures }
    }

    /// A chain of certificates is in use: the first of them to expire counts.
    static func loaded(_ chain: [NIOSSLCertificateSource]) {
        let expiries = chain.compactMap { source in
            if case .certificate(let certificate) = source { certificate.notValidAfter } else { nil }
        }
        if let first = expiries.min() { Meter(.certificateExpiry).set(first) }
    }
}
