import Synchronization

/// The endpoints by their paths, which may be replaced while calls come in.
///
/// A call keeps the endpoint that it came to.
final class EndpointTable: Sendable {
    private let endpoints: Mutex<[String: Endpoint]>

    init(_ endpoints: [Endpoint]) {
        self.endpoints = Mutex(Self.byPath(endpoints))
    }

    subscript(path: String) -> Endpoint? { self.endpoints.withLock { $0[path] } }

    func replace(with endpoints: [Endpoint]) {
        let endpoints = Self.byPath(endpoints)
        self.endpoints.withLock { $0 = endpoints }
    }

    private static func byPath(_ endpoints: [Endpoint]) -> [String: Endpoint] {
        Dictionary(endpoints.map { ($0.path, $0) }) { first, _ in first }
    }
}
