import CoreMetrics
import RejoinderMetrics

/// What is measured of all connections of the process.
enum DatabaseMetrics {
    static let connectionsMade = Counter(.databaseConnects, "made")
    static let connectionsFailed = Counter(.databaseConnects, "failed")
    static let connectionsLost = Counter(.databaseConnectionsLost)
    static let roundTrips = Counter(.databaseRoundTrips)
    static let roundTripTime = Timer(.databaseRoundTripTime)
    static let notifications = Counter(.notifications)

    /// Makes the handles, so that what has not happened yet is shown as 0.
    static func begin() {
        _ = (self.connectionsMade, self.connectionsFailed, self.connectionsLost)
        _ = (self.roundTrips, self.roundTripTime, self.notifications)
    }
}
