/// What the dashboard shows, and to whom.
package struct DashboardOptions: Sendable {
    /// What an operator signs in with; nil makes the dashboard read-only.
    package var token: String?
    /// Whether an event's page shows its payload and answer; where there is a token, to those who have signed in.
    package var showsPayloads = false
    /// By what names browsers may call it, besides IP addresses and localhost.
    package var names: [String] = []
    /// What the queue's views call this process.
    package var processName = "ingress"

    package init(token: String? = nil) {
        self.token = token
    }

    /// Whether one who may act, or may not, sees what the handlers of failed calls said: it may quote the payload.
    func showsErrors(mayAct: Bool) -> Bool { mayAct || self.token == nil && self.showsPayloads }
}

extension DashboardOptions: CustomStringConvertible {
    /// Without the token: whatever holds options may be logged.
    package var description: String { "DashboardOptions(names: \(self.names))" }
}
