/// The connections that are held open beside a load, each after one call.
final class IdleConnections {
    private static let openingAtOnce = 64

    private let wanted: Int
    private let dialer: Dialer
    private var connections: [IdleConnection] = []
    private var ready = 0
    private var lost = 0
    private var onReady: () -> Void = {}
    private var onFailure: (LoadTarget, any Error) -> Void = { _, _ in }

    init(_ wanted: Int, _ dialer: Dialer) {
        self.wanted = wanted
        self.dialer = dialer
    }

    var areReady: Bool { self.ready == self.wanted }

    /// How many are open.
    var open: Int { self.ready - self.lost }

    /// Opens them, a few at a time.
    ///
    /// - Parameters:
    ///   - onReady: called for each that has its reply.
    ///   - onFailure: called for each that could not be opened, or has closed.
    func open(onReady: @escaping () -> Void, onFailure: @escaping (LoadTarget, any Error) -> Void) {
        self.onReady = onReady
        self.onFailure = onFailure
        for _ in 0..<Self.openingAtOnce { self.openNext() }
    }

    func close() {
        for connection in self.connections { connection.close() }
        self.connections = []
        (self.onReady, self.onFailure) = ({}, { _, _ in })
    }

    /// One more, if one is wanted; the next when this one has its reply.
    private func openNext() {
        guard self.connections.count < self.wanted else { return }
        let line = self.dialer.lines[self.connections.count % self.dialer.lines.count]
        let connection = IdleConnection(line.target, timeout: self.dialer.timeout) {
            self.ready += 1
            self.openNext()
            self.onReady()
        } onClose: { error in
            self.lost += 1
            self.onFailure(line.target, error)
        }
        self.connections.append(connection)
        self.dialer.dial(line, connection) { self.onFailure(line.target, $0) }
    }
}
