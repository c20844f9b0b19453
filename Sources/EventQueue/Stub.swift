enum StubEventQueue {}
