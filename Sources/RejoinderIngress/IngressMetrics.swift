import CoreMetrics
import EventQueue
import HTTPTypes
import NIOSSL
import RejoinderMetrics
import Synchronization

/// What is measured of the public port as a whole.
enum IngressMetrics {
    static let connections = Meter(.connections)
    static let certificateLoadFailures = Counter(.certificateLoadFailures)
    /// By endpoint.
    private static let deadlines = Mutex<[String: Meter]>([:])

    /// Makes the handles, so that what has not happened yet is shown as 0.
    static func begin(_ options: IngressOptions) {
        self.connections.set(0)
        Meter(.connectionsLimit).set(options.connections)
        _ = Counter(.reloadFailures)
        if options.tls != nil { _ = self.certificateLoadFailures }
        self.show(options.endpoints)
    }

    /// These endpoints are there, and no others.
    ///
    /// What they may refuse is shown as 0 until they do: without that the first refusals would be no increase.
    static func show(_ endpoints: [Endpoint]) {
        self.deadlines.withLock { deadlines in
            for (path, deadline) in deadlines where !endpoints.contains(where: { $0.path == path }) {
                deadline.destroy()
                deadlines[path] = nil
            }
            for endpoint in endpoints {
                let deadline = deadlines[endpoint.path] ?? Meter(.deadline, endpoint.path)
                deadline.set(Double(endpoint.deadline.milliseconds) / 1000)
                deadlines[endpoint.path] = deadline
            }
        }
        for endpoint in endpoints {
            for problem in Problem.atTheDoor {
                _ = Counter(.calls, endpoint.path, "", "\(problem.status.code)", problem.rawValue)
            }
        }
    }

    /// A chain of certificates is in use: the first of them to expire counts.
    static func loaded(_ chain: [NIOSSLCertificateSource]) {
        let expiries = chain.compactMap { source in
            if case .certificate(let certificate) = source { certificate.notValidAfter } else { nil }
        }
        if let first = expiries.min() { Meter(.certificateExpiry).set(first) }
    }
}
