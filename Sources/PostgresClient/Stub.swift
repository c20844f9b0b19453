enum StubPostgresClient {}
