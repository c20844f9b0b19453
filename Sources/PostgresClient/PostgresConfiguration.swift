/// Where the database is, and how patient one is with it.
package struct PostgresConfiguration: Sendable {
    /// Any libpq connection string or URI.
    ///
    /// Without it libpq's `PG*` variables rule.
    package var connectionString: String?
    /// Where `connectionString` leads to a pooler that gives each transaction another session: PostgreSQL itself.
    ///
    /// For what needs a session: its locks, and `LISTEN`.
    package var directConnectionString: String?
    /// Each transaction may have another session, so none is left with anything: no prepared statement, no setting.
    ///
    /// Then our own patience alone bounds a statement's time.
    package var isPooled = false
    /// Shown in `pg_stat_activity`.
    package var applicationName: String
    /// For each host and address that is tried.
    package var connectTimeout: Duration = .seconds(3)
    /// After this the server gives up a statement, and a little later we give up the connection.
    package var statementTimeout: Duration = .seconds(8)

    package init(connectionString: String?, directConnectionString: String? = nil, applicationName: String) {
        self.connectionString = connectionString
        self.directConnectionString = directConnectionString
        self.applicationName = applicationName
    }

    /// For what needs a session.
    package var direct: PostgresConfiguration {
        var configuration = self
        configuration.connectionString = self.directConnectionString ?? self.connectionString
        configuration.directConnectionString = nil
        return configuration
    }

    /// For a look, wherever the address leads.
    package var careful: PostgresConfiguration {
        var configuration = self
        configuration.isPooled = true
        return configuration
    }

    /// For what needs none: goes by way of the pooler, where there is one.
    package var sessionless: PostgresConfiguration {
        var configuration = self
        configuration.isPooled = self.isPooled || self.directConnectionString != nil
        configuration.directConnectionString = nil
        return configuration
    }

    /// libpq's keywords in the order in which it reads them: those before `dbname` give way to the connection string.
    ///
    /// The keep-alive figures notice a peer that has silently gone in about 10 s instead of two hours. Among several
    /// hosts the one that accepts writes is meant.
    var keywords: [(String, String)] {
        var keywords = [
            ("connect_timeout", "\(max(2, self.connectTimeout.components.seconds))"),
            ("target_session_attrs", "read-write"),
            ("tcp_user_timeout", "10000"),
            ("keepalives_idle", "5"),
            ("keepalives_interval", "2"),
            ("keepalives_count", "3"),
            ("fallback_application_name", self.applicationName),
        ]
        if let connectionString {
            keywords.append(("dbname", connectionString))
        }
        keywords.append(("client_encoding", "UTF8"))
        // libpq would wait for ever, and nobody could end that.
        if let given = (try? self.options())?["connect_timeout"].flatMap({ Int($0) }), given <= 0 {
            keywords.append(keywords[0])
        }
        return keywords
    }
}

extension PostgresConfiguration: CustomStringConvertible {
    /// Without the connection string, which may hold a password: whatever holds a configuration may be logged.
    package var description: String { "PostgresConfiguration(applicationName: \(self.applicationName))" }
}
