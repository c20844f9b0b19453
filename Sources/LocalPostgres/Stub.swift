enum StubLocalPostgres {}
