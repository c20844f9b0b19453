/// All metrics, in one table: code, the Prometheus text and the documentation use these names.
extension Metric {
    package static let all =
        [calls, callDuration, waitingCalls, waitingBytes, waitingCallsLimit, waitingBytesLimit]
        + [connections, connectionsLimit, deadline, certificateExpiry, certificateLoadFailures, reloadFailures]
        + [queueEvents, queueOldestAge, nodeWorkers, nodePaused, workers, notificationQueue, oldestSnapshotAge]
        + [handlerDuration, slots, slotsBusy, slotsOverrun, retries]
        + [databaseUp, databaseConnects, databaseConnectionsLost]
        + [batchEvents, databaseRoundTrips, databaseRoundTripTime, notifications]
        + [recoveries, expiries, cancellations, buildInfo]

    // MARK: Ingress

    package static let calls = Metric(
        "rejoinder_calls_total",
        .counter,
        ["endpoint", "node", "status", "code"],
        help: "Calls that got a response, by its status and the problem's code, or answered."
    )
    package static let callDuration = Metric(
        "rejoinder_call_duration_seconds",
        .histogram,
        ["node"],
        buckets: upToDeadline,
        help: "Time from a call's arrival to its response, of calls that became events."
    )
    package static let waitingCalls = Metric("rejoinder_waiting_calls", .gauge, help: "Callers that wait for a reply.")
    package static let waitingBytes = Metric(
        "rejoinder_waiting_bytes",
        .gauge,
        help: "Bytes of the bodies of callers that wait."
    )
    package static let waitingCallsLimit = Metric(
        "rejoinder_waiting_calls_limit",
        .gauge,
        help: "Most callers that may wait (limit.calls)."
    )
    package static let waitingBytesLimit = Metric(
        "rejoinder_waiting_bytes_limit",
        .gauge,
        help: "Most bytes of bodies of callers that wait (limit.bytes)."
    )
    package static let connections = Metric(
        "rejoinder_connections",
        .gauge,
        help: "Open connections of the public port."
    )
    package static let connectionsLimit = Metric(
        "rejoinder_connections_limit",
        .gauge,
        help: "Most open connections (limit.connections); further ones wait to be accepted."
    )
    package static let deadline = Metric(
        "rejoinder_deadline_seconds",
        .gauge,
        ["endpoint"],
        help: "Time in which the endpoint's calls must have their response."
    )
    package static let certificateExpiry = Metric(
        "rejoinder_certificate_expiry_timestamp_seconds",
        .gauge,
        help: "When the first of the certificate chain in use expires, in seconds since 1970."
    )
    package static let certificateLoadFailures = Metric(
        "rejoinder_certificate_load_failures_total",
        .counter,
        help: "Times that the certificate on disk could not be used."
    )
    package static let reloadFailures = Metric(
        "rejoinder_reload_failures_total",
        .counter,
        help: "Times that the configuration could not be read again."
    )

    // MARK: Database, sampled by each ingress

    package static let queueEvents = Metric(
        "rejoinder_queue_events",
        .gauge,
        ["node", "state"],
        help: "Events that are queued or running, in the whole queue."
    )
    package static let queueOldestAge = Metric(
        "rejoinder_queue_oldest_age_seconds",
        .gauge,
        ["node"],
        help: "Age of the oldest queued event; 0 where none is queued."
    )
    package static let nodeWorkers = Metric(
        "rejoinder_node_workers",
        .gauge,
        ["node"],
        help: "Live workers that serve the node."
    )
    package static let nodePaused = Metric(
        "rejoinder_node_paused",
        .gauge,
        ["node"],
        help: "1 while the node is paused."
    )
    package static let workers = Metric("rejoinder_workers", .gauge, help: "Live workers.")
    package static let notificationQueue = Metric(
        "rejoinder_notification_queue_ratio",
        .gauge,
        help: "How full PostgreSQL's queue of notifications is, from 0 to 1."
    )
    package static let oldestSnapshotAge = Metric(
        "rejoinder_oldest_snapshot_age_seconds",
        .gauge,
        help: "Age of the oldest open transaction that holds back the database's cleaning up."
    )

    // MARK: Worker

    package static let handlerDuration = Metric(
        "rejoinder_handler_duration_seconds",
        .histogram,
        ["node", "outcome"],
        buckets: upToDeadline,
        help: "Time that handlers took, by how the attempt ended."
    )
    package static let slots = Metric("rejoinder_slots", .gauge, help: "How many events the worker handles at once.")
    package static let slotsBusy = Metric("rejoinder_slots_busy", .gauge, help: "Slots that are in use.")
    package static let slotsOverrun = Metric(
        "rejoinder_slots_overrun",
        .gauge,
        ["node"],
        help: "Slots that handlers keep which ignore their cancellation, though their events have ended."
    )
    package static let retries = Metric(
        "rejoinder_retries_total",
        .counter,
        ["node"],
        help: "Failed attempts after which the event is to be tried again."
    )

    // MARK: Both

    package static let batchEvents = Metric(
        "rejoinder_batch_events",
        .histogram,
        ["statement"],
        buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
        help: "Events of one statement that was not empty: enqueue, claim or answer."
    )
    package static let databaseUp = Metric(
        "rejoinder_database_up",
        .gauge,
        help: "1 while the process is registered with a database that does what it is asked."
    )
    package static let databaseConnects = Metric(
        "rejoinder_database_connects_total",
        .counter,
        ["outcome"],
        help: "Tries to connect to the database, made or failed: the first, and after each loss."
    )
    package static let databaseConnectionsLost = Metric(
        "rejoinder_database_connections_lost_total",
        .counter,
        help: "Connections that were lost; each is made again when it is needed."
    )
    package static let databaseRoundTrips = Metric(
        "rejoinder_database_round_trips_total",
        .counter,
        help: "Round trips to the database, of one statement or several."
    )
    package static let databaseRoundTripTime = Metric(
        "rejoinder_database_round_trip_seconds",
        .histogram,
        buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
        help: "Time of a round trip to the database."
    )
    package static let notifications = Metric(
        "rejoinder_notifications_total",
        .counter,
        help: "Notifications that came from the database."
    )
    package static let recoveries = Metric(
        "rejoinder_recoveries_total",
        .counter,
        help: "Events taken from lost workers by this process's housekeeping."
    )
    package static let expiries = Metric(
        "rejoinder_expiries_total",
        .counter,
        help: "Calls that this ingress held until their deadline had come, or could not be met any more."
    )
    package static let cancellations = Metric(
        "rejoinder_cancellations_total",
        .counter,
        ["reason"],
        help: "Events that were cancelled: hung_up, no_worker, database_away, paused, ingress_lost or operator."
    )
    package static let buildInfo = Metric(
        "rejoinder_build_info",
        .gauge,
        ["version", "role"],
        help: "Always 1: the version that the process was built with, and its role."
    )

    /// Bounds of times that end with a deadline, in seconds.
    private static let upToDeadline = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30,
    ]
}
