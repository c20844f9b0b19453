extension CommonSettings {
    /// Every variable with our prefix that one of the programs reads.
    ///
    /// One list for all: they may share an environment file, and none may call another's variable mistyped.
    private static let variables: Set<String> = [
        "REJOINDER_ADMIN_HOST", "REJOINDER_ADMIN_NAMES", "REJOINDER_ADMIN_PORT", "REJOINDER_ALGORITHM",
        "REJOINDER_CONFIG", "REJOINDER_DATABASE_WAIT", "REJOINDER_DEADLINE", "REJOINDER_FALLBACK",
        "REJOINDER_HTTP_HOST", "REJOINDER_HTTP_PORT", "REJOINDER_LIMIT_BODY", "REJOINDER_LIMIT_BYTES",
        "REJOINDER_LIMIT_CALLS", "REJOINDER_LIMIT_CONNECTIONS", "REJOINDER_LIMIT_FIELDS", "REJOINDER_LIMIT_HEAD",
        "REJOINDER_LISTEN_URL", "REJOINDER_LOG_FORMAT", "REJOINDER_LOG_LEVEL", "REJOINDER_NAME",
        "REJOINDER_OPERATOR_DATABASE_URL", "REJOINDER_OPERATOR_TOKEN", "REJOINDER_OPERATOR_TOKEN_FILE",
        "REJOINDER_POSTGRES_BIN", "REJOINDER_SHOW_PAYLOADS", "REJOINDER_SHUTDOWN_DELAY", "REJOINDER_SLOTS",
        "REJOINDER_TIMEOUT_BODY", "REJOINDER_TIMEOUT_HEAD", "REJOINDER_TIMEOUT_IDLE", "REJOINDER_TLS_CERTIFICATE",
        "REJOINDER_TLS_KEY", "REJOINDER_WORKER_GRACE",
    ]

    /// Variables with our prefix that no program reads; a secret's may have any name.
    package static func unknownVariables(in environment: [String: String]) -> [String] {
        environment.keys.filter {
            $0.hasPrefix("REJOINDER_") && !self.variables.contains($0) && !$0.contains("SECRET")
        }.sorted()
    }
}
