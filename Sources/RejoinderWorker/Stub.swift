enum StubRejoinderWorker {}
