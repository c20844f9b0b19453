import PostgresClient

/// The statements of the queue's client, each from its file in `SQL/Statements`.
enum Statements {
    static let abandon = make("abandon", PackageResources.abandon_sql)
    static let answer = make("answer", PackageResources.answer_sql)
    static let answerByHand = make("answer_by_hand", PackageResources.answer_by_hand_sql)
    static let attend = make("attend", PackageResources.attend_sql)
    static let audit = make("audit", PackageResources.audit_sql)
    static let cancel = make("cancel", PackageResources.cancel_sql)
    static let claim = make("claim", PackageResources.claim_sql)
    static let contents = make("contents", PackageResources.contents_sql)
    static let definitions = make("definitions", PackageResources.definitions_sql)
    static let definitionsPresent = make("definitions_present", PackageResources.definitions_present_sql)
    static let deregister = make("deregister", PackageResources.deregister_sql)
    static let drain = make("drain", PackageResources.drain_sql)
    static let dropExpired = make("drop_expired", PackageResources.drop_expired_sql)
    static let enqueue = make("enqueue", PackageResources.enqueue_sql)
    static let event = make("event", eventColumns + PackageResources.event_sql)
    static let events = make("events", eventColumns + PackageResources.events_sql)
    static let endedEvents = make("ended_events", eventColumns + PackageResources.ended_events_sql)
    static let failures = make("failures", PackageResources.failures_sql)
    static let glance = make("glance", PackageResources.glance_sql)
    static let heartbeat = make("heartbeat", PackageResources.heartbeat_sql)
    static let held = make("held", PackageResources.held_sql)
    /// Of a schema that has it; not among `all`.
    static let life = make("life", PackageResources.life_sql)
    static let incidents = make("incidents", PackageResources.incidents_sql)
    static let limit = make("limit_node", PackageResources.limit_sql)
    static let listen = make("listen", PackageResources.listen_sql)
    static let liveEvents = make("live_events", eventColumns + PackageResources.live_events_sql)
    static let mayCall = make("may_call", PackageResources.may_call_sql)
    static let mayVacuum = make("may_vacuum", PackageResources.may_vacuum_sql)
    static let membership = make("membership", PackageResources.membership_sql)
    static let migrationsApplied = make("migrations_applied", PackageResources.migrations_applied_sql)
    static let minutes = make("minutes", PackageResources.minutes_sql)
    static let noteIncidents = make("note_incidents", PackageResources.note_incidents_sql)
    static let nodes = make("nodes", PackageResources.nodes_sql)
    static let overview = make("overview", PackageResources.overview_sql)
    static let passOn = make("pass_on", PackageResources.pass_on_sql)
    static let pause = make("pause", PackageResources.pause_sql)
    /// A script: not to be prepared.
    static let probe = make("probe", PackageResources.probe_sql)
    static let recordDefinitions = make("record_definitions", PackageResources.record_definitions_sql)
    static let recover = make("recover", PackageResources.recover_sql)
    static let register = make("register", PackageResources.register_sql)
    static let release = make("release", PackageResources.release_sql)
    static let replied = make("replied", PackageResources.replied_sql)
    static let results = make("results", PackageResources.results_sql)
    static let resume = make("resume", PackageResources.resume_sql)
    static let retry = make("retry", PackageResources.retry_sql)
    static let revive = make("revive", PackageResources.revive_sql)
    static let schemaPresent = make("schema_present", PackageResources.schema_present_sql)
    static let secure = make("secure", PackageResources.secure_sql)
    static let sight = make("sight", PackageResources.sight_sql)
    static let tidy = make("tidy", PackageResources.tidy_sql)
    static let unserved = make("unserved", PackageResources.unserved_sql)
    /// A script: not to be prepared.
    static let vacuum = make("vacuum", PackageResources.vacuum_sql)
    static let vitals = make("vitals", PackageResources.vitals_sql)
    static let wake = make("wake", PackageResources.wake_sql)
    static let workers = make("workers", PackageResources.workers_sql)

    /// All that need the schema, for the test that prepares each of them.
    static let all = [
        abandon, answer, answerByHand, attend, audit, cancel, claim, contents, definitions, definitionsPresent,
        deregister, drain, dropExpired, enqueue, endedEvents, event, events, failures, glance, heartbeat, held,
        incidents, life, limit, listen, liveEvents, mayCall, mayVacuum, membership, migrationsApplied, minutes,
        nodes, noteIncidents, overview, passOn, pause, recordDefinitions, recover, register, release, replied, results,
        resume, retry, revive, secure, sight, tidy, unserved, vitals, wake, workers,
    ]

    private static let eventColumns = PackageResources.event_columns_sql

    private static func make(_ name: String, _ sql: [UInt8]) -> PostgresStatement {
        PostgresStatement(name: name, sql: String(decoding: sql, as: UTF8.self))
    }
}
