import NIOCore

/// Runs a closure when its time has come.
///
/// Cheaper than a scheduled task, which makes a promise for each: an open loop needs one for each call.
struct Timer: NIOScheduledCallbackHandler {
    let body: () -> Void

    /// Only on the event loop itself.
    func start(at time: NIODeadline, on eventLoop: any EventLoop) {
        // Fails only on an event loop that has been shut down.
        _ = try? eventLoop.assumeIsolated().scheduleCallback(at: time, handler: self)
    }

    func handleScheduledCallback(eventLoop: some EventLoop) { self.body() }
}
