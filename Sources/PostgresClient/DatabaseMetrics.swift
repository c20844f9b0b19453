import CoreMetrics
import RejoinderMetrics

/// What is measured of all connections of the process.
enum DatabaseMetrics {
    static let reconnects = Counter(.databaseReconnects)
    static let roundTrips = Counter(.databaseRoundTrips)
    static let roundTripTime = Timer(.databaseRoundTripTime)
    static let notifications = Counter(.notifications)

    /// Makes the handles, so that what has not happened yet is shown as 0.
    static func begin() {
        _ = (self.reconnects, self.roundTrips, self.roundTripTime, self.notifications)
    }
}
