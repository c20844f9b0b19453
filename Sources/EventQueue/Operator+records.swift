extension Operator {
    /// An event's state, as SQL calls it.
    package enum State: String, Sendable, CaseIterable {
        case queued, running, answered, failed, expired, cancelled
    }

    /// Which events to list.
    package struct EventFilter: Sendable, Hashable {
        package var state: State?
        package var node: String?
        /// Received no longer ago than this.
        package var since: Duration
        package var limit: Int

        package init(state: State? = nil, node: String? = nil, since: Duration = .seconds(3600), limit: Int = 50) {
            self.state = state
            self.node = node
            self.since = since
            self.limit = limit
        }
    }

    /// A node, as `rejoinder.nodes` has it.
    package struct Node: OperatorRecord {
        package let fields: OperatorFields

        package var node: String { self.fields.text("node") }
        package var queued: Int { self.fields.integer("queued") }
        package var running: Int { self.fields.integer("running") }
        /// Age of the oldest queued event, in seconds.
        package var oldest: Double? { self.fields.optionalNumber("oldest") }
        package var isPaused: Bool { self.fields.truth("paused") }
        /// Whether callers wait while it is paused.
        package var waits: Bool { self.fields.truth("waits") }
        package var pausedAt: String? { self.fields.optionalText("paused_at") }
        package var maxRunning: Int? { self.fields.optionalInteger("max_running") }
        package var maxPerSecond: Double? { self.fields.optionalNumber("max_per_second") }
        /// Live workers that serve it.
        package var workers: Int { self.fields.integer("workers") }
        package var slots: Int { self.fields.integer("slots") }
        /// Median time of a handler's run, in seconds.
        package var takes: Double? { self.fields.optionalNumber("takes") }
    }

    /// What waits and runs of a node, and what became of the last hour's events, as `rejoinder.overview` has it.
    package struct Overview: OperatorRecord {
        package let fields: OperatorFields

        package var node: String { self.fields.text("node") }
        package var queued: Int { self.fields.integer("queued") }
        package var running: Int { self.fields.integer("running") }
        /// Age of the oldest live event, in seconds.
        package var oldest: Double? { self.fields.optionalNumber("oldest") }
    }

    /// An event that failed or expired, as `rejoinder.recent` has it.
    package struct Failure: OperatorRecord {
        package let fields: OperatorFields

        package var id: String { self.fields.text("id") }
        package var node: String { self.fields.text("node") }
        package var finished: String { self.fields.text("finished") }
        package var state: String { self.fields.text("state") }
        package var attempt: Int { self.fields.integer("attempt") }
        package var code: String? { self.fields.optionalText("code") }
        package var error: String? { self.fields.optionalText("error") }
    }

    /// What went wrong, as `rejoinder.incidents` has it.
    package struct Incident: OperatorRecord {
        package let fields: OperatorFields

        /// What it means, and what to do.
        package var advice: String? { self.fields.optionalText("advice") }
    }

    /// A live worker, as `rejoinder.workers` has it.
    package struct Worker: OperatorRecord {
        package let fields: OperatorFields

        package var id: Int32 { Int32(self.fields.integer("id")) }
        package var name: String { self.fields.text("name") }
        package var host: String { self.fields.text("host") }
        package var pid: Int { self.fields.integer("pid") }
        /// `["*"]` when it serves any.
        package var nodes: [String] { self.fields.texts("nodes") }
        package var slots: Int { self.fields.integer("slots") }
        package var busy: Int { self.fields.integer("busy") }
        /// Time since its last heartbeat, in seconds.
        package var heartbeat: Double { self.fields.optionalNumber("heartbeat") ?? 0 }
        package var isMissing: Bool { self.fields.truth("missing") }
        package var isDraining: Bool { self.fields.truth("draining") }
        package var version: String { self.fields.text("version") }
        package var startedAt: String { self.fields.text("started_at") }
    }

    /// An event without payload and answer, as `rejoinder.event` has it.
    ///
    /// Times are RFC 3339 in UTC, by the database's clock.
    package struct Event: OperatorRecord {
        package let fields: OperatorFields

        package var id: String { self.fields.text("id") }
        package var state: String { self.fields.text("state") }
        package var node: String { self.fields.text("node") }
        package var endpoint: String { self.fields.text("endpoint") }
        package var attempt: Int { self.fields.integer("attempt") }
        package var maxAttempts: Int? { self.fields.optionalInteger("max_attempts") }
        package var ingress: Int? { self.fields.optionalInteger("ingress") }
        package var worker: Int? { self.fields.optionalInteger("worker") }
        package var enqueuedAt: String { self.fields.text("enqueued_at") }
        package var deadline: String { self.fields.text("deadline") }
        package var claimedAt: String? { self.fields.optionalText("claimed_at") }
        package var finishedAt: String? { self.fields.optionalText("finished_at") }
        package var code: String? { self.fields.optionalText("code") }
        package var error: String? { self.fields.optionalText("error") }
    }

    /// A step of an event's life, as `rejoinder.life` has it.
    package struct Step: OperatorRecord {
        package let fields: OperatorFields

        package var step: String { self.fields.text("step") }
        package var at: String? { self.fields.optionalText("at") }
        /// Since the event was received.
        package var milliseconds: Double? { self.fields.optionalNumber("milliseconds") }
        package var by: String? { self.fields.optionalText("by") }
        package var detail: String? { self.fields.optionalText("detail") }
    }

    /// Something that an operator did, as `rejoinder.audit` has it.
    package struct AuditEntry: OperatorRecord {
        package let fields: OperatorFields

        package var id: Int { self.fields.integer("id") }
        package var at: String { self.fields.text("at") }
        package var actor: String { self.fields.text("actor") }
        package var via: String { self.fields.text("via") }
        package var action: String { self.fields.text("action") }
        package var target: String { self.fields.text("target") }
        /// A JSON object.
        package var detail: String { self.fields.text("detail") }
    }
}
