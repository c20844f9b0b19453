/// What the queue looks like at one moment: `rejoinder.glance()`.
///
/// Times are in milliseconds.
package struct QueueGlance: Sendable, Decodable {
    /// By the database's clock, since 1970.
    package let at: Int64
    package let arrivals: Arrivals
    /// Those that are paused or limited and the busiest first; there may be more than are listed.
    package let nodes: [Node]
    /// Of all nodes.
    package let total: Total
    /// There may be more than are listed.
    package let workers: [Worker]
    /// All workers.
    package let fleet: Fleet
    /// What waits or runs, the oldest first; there may be more.
    package let live: [Live]
    /// The oldest open transaction that holds back cleaning up, as far as the schema's owner sees it.
    package let snapshot: Snapshot?
    /// Whether the schema's owner sees other logins' transactions.
    package let seesSnapshots: Bool
    /// What operators did, newest first.
    package let steered: [Steered]
    /// What went wrong in the last hour beside the events, latest first.
    package let incidents: [Incident]
    /// The latest ends without an answer, newest first.
    package let failures: [Failure]

    package struct Arrivals: Sendable, Decodable {
        package let calls: Int
        package let seconds: Double
    }

    package struct Total: Sendable, Decodable {
        package let nodes: Int
        package let queued: Int
        package let running: Int
        /// Age of the oldest queued event; nil where none is.
        package let oldest: Int64?
    }

    package struct Fleet: Sendable, Decodable {
        package let workers: Int
        package let slots: Int
        package let busy: Int
    }

    package struct Node: Sendable, Decodable {
        package let node: String
        package let queued: Int
        package let running: Int
        /// Age of the oldest queued event; nil where none is.
        package let oldest: Int64?
        /// For how long the longest of those that run has run; nil where none runs.
        package let longest: Int64?
        /// Live ones that serve it.
        package let workers: Int
        package let paused: Bool
        /// Whether callers wait while it is paused.
        package let waits: Bool
        package let maxRunning: Int?
        package let maxPerSecond: Double?
    }

    package struct Worker: Sendable, Decodable {
        package let id: Int32
        package let name: String
        package let host: String
        package let pid: Int32
        /// `*` alone where it serves any.
        package let nodes: [String]
        package let slots: Int
        package let busy: Int
        /// Since the last one.
        package let heartbeat: Int64
        package let missing: Bool
        package let draining: Bool
        package let version: String
    }

    package struct Live: Sendable, Decodable {
        package let id: String
        package let node: String
        package let state: String
        package let attempt: Int
        package let worker: String?
        package let age: Int64
        package let timeLeft: Int64
    }

    package struct Snapshot: Sendable, Decodable {
        package let openFor: Int64
        /// Nil of a prepared transaction.
        package let pid: Int32?
        package let login: String?
        package let application: String?
        package let state: String?
    }

    package struct Steered: Sendable, Decodable {
        package let actor: String
        package let via: String
        package let action: String
        package let target: String
        package let at: Int64
    }

    /// As `rejoinder.incidents` has it.
    package struct Incident: Sendable, Decodable {
        package let about: String
        package let code: String
        /// Those that were called, where they are known.
        package let nodes: String?
        /// How often in the last five minutes.
        package let lately: Int
        package let lastHour: Int
        package let lastAt: Int64
        /// Those that it happened to.
        package let processes: String
        /// What it means, and what to do.
        package let advice: String?
    }

    package struct Failure: Sendable, Decodable {
        package let id: String
        package let node: String
        package let state: String
        package let attempt: Int
        package let code: String?
        package let error: String?
        package let finished: Int64
    }
}

/// How many calls arrived in a minute and ended in one way: a row of `rejoinder.minutes()`.
package struct MinuteCount: Sendable {
    /// Since 1970.
    package let minute: Int
    package let node: String
    package let state: String
    /// Of answered ones: floor(8 log2(milliseconds to the answer)).
    package let bucket: Int?
    package let calls: Int
    /// There were too many to count; this is an estimate.
    package let sampled: Bool

    package init(minute: Int, node: String, state: String, bucket: Int?, calls: Int, sampled: Bool) {
        self.minute = minute
        self.node = node
        self.state = state
        self.bucket = bucket
        self.calls = calls
        self.sampled = sampled
    }
}

/// One event, but for payload and answer: `rejoinder.sight()`.
package struct EventSight: Sendable, Decodable {
    package let id: String
    package let node: String
    package let endpoint: String
    package let state: String
    package let attempt: Int
    package let code: String?
    package let error: String?
    /// Milliseconds to its deadline.
    package let timeLeft: Int64
}
