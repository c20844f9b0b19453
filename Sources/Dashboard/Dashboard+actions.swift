import EventQueue
import HTTPTypes
import Hummingbird
import Logging
import PostgresClient

extension Dashboard {
    private struct FormValues {
        let frame: Frame
        let action: String
        let heading: String
        let explanation: String
        let button: String
        let isDestructive: Bool
        let targetKind: String
        let target: String
        let back: String
        let formToken: String
        let fields: [Action.Field]
        let problem: String?
    }

    /// The page that asks before anything is done.
    func form(
        _ action: Action,
        _ fields: [String: String],
        _ visitor: Visitor,
        problem: String? = nil,
        status: HTTPResponse.Status = .ok
    ) async -> Response {
        let target = fields["on"] ?? ""
        guard let session = visitor.session else {
            let path = "/act/\(action.rawValue)?on=\(URLText.encoded(target))"
            return self.redirect(to: "/login?next=\(URLText.encoded(path))")
        }
        guard !target.isEmpty else {
            return self.message(.badRequest, action.heading, "Of which \(action.targetKind.lowercased())?", visitor)
        }
        let nodes = await self.sampler.current().glance?.nodes
        let values = FormValues(
            frame: Frame(visitor),
            action: action.rawValue,
            heading: action.heading,
            explanation: action.explanation,
            button: action.button,
            isDestructive: action.isDestructive,
            targetKind: action.targetKind,
            target: target,
            back: action.back(from: target),
            formToken: session.formToken,
            fields: action.fields(problem == nil ? nil : fields, now: nodes?.first { $0.node == target }),
            problem: problem
        )
        return self.page("action", values, status: status)
    }

    /// Does what a form asks for, and goes back to where it was asked.
    func act(_ action: Action, _ request: Request, _ visitor: Visitor) async throws -> Response {
        guard let fields = try await Self.fields(of: request) else { return self.notOwn(visitor) }
        guard let session = visitor.session else {
            let problem = "Your session has ended, and nothing was changed: sign in again."
            guard RequestChecks.isOwn(request.head) else { return self.notOwn(visitor) }
            let next = action.back(from: fields["on"] ?? "")
            return self.signInPage(visitor, ["next": next], problem: problem, status: .forbidden)
        }
        guard self.isOfSession(request, fields, visitor) else { return self.notOwn(visitor) }
        let target = fields["on"] ?? ""
        let steering = Operator(self.operators, actor: session.name, via: "dashboard")
        do {
            let done = try await action.perform(on: target, fields, by: steering)
            self.logger.notice(
                "an operator has acted from the dashboard",
                metadata: ["name": "\(session.name)", "action": "\(action.rawValue)", "target": "\(target)"]
            )
            self.sessions?.leave(Sessions.Notice(text: done), for: session.id)
            await self.operators.closeIdle()
            return self.redirect(to: action.back(from: target))
        } catch let error as Action.Malformed {
            return await self.form(action, fields, visitor, problem: error.text, status: .badRequest)
        } catch let error as QueueError {
            await self.operators.closeIdle()
            return await self.refusal(error, action, fields, visitor)
        }
    }

    private func refusal(
        _ error: QueueError,
        _ action: Action,
        _ fields: [String: String],
        _ visitor: Visitor
    ) async -> Response {
        if error.lacksRight {
            return self.message(
                .forbidden,
                action.heading,
                Self.grantAdvice,
                visitor,
                command: Self.grantCommand,
                back: action.back(from: fields["on"] ?? "")
            )
        }
        switch error.underlying?.code {
        case .connectionFailed:
            let text = "The database can't be reached, and nothing was changed: \(error)."
            return await self.form(action, fields, visitor, problem: text, status: .serviceUnavailable)
        case .connectionLost, .timedOut:
            let text = "The database went away meanwhile, so that nobody knows whether it was done: \(error)."
            return await self.form(action, fields, visitor, problem: text, status: .serviceUnavailable)
        default:
            return await self.form(
                action,
                fields,
                visitor,
                problem: "Nothing was changed: \(error).",
                status: .conflict
            )
        }
    }
}
