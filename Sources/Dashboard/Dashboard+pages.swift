import EventQueue
import Hummingbird
import PostgresClient

extension Dashboard {
    /// The page that shows all.
    func overview(_ visitor: Visitor) async -> Response {
        struct Values {
            let frame: Frame
            let screen: Screen
            let process: String
        }
        let screen = self.screen(await self.sampler.current(), visitor)
        let notice = visitor.session.flatMap { self.sessions?.takeNotice(for: $0.id) }
        let frame = Frame(visitor, stream: "/live", notice: notice)
        return self.page("overview", Values(frame: frame, screen: screen, process: self.options.processName))
    }

    private func screen(_ sample: Sampler.Sample, _ visitor: Visitor) -> Screen {
        let mayAct = visitor.session != nil
        return Screen(sample, mayAct: mayAct, showsErrors: self.options.showsErrors(mayAct: mayAct))
    }

    /// What was put into the search box.
    func find(_ fields: [String: String], _ visitor: Visitor) -> Response {
        let text = String((fields["id"] ?? "").filter { !$0.isWhitespace }.prefix(100))
        if let event = EventID(text) { return self.redirect(to: "/event/\(event)") }
        return self.message(
            .badRequest,
            "This is not the id of an event",
            "“\(text)” is none. An id looks like 019a8f3c-6e1d-7abc-8def-0123456789ab; "
                + "it is in each problem's body and in the log.",
            visitor
        )
    }

    /// The page of an event, or its live parts.
    func event(_ rest: Substring, _ visitor: Visitor) async -> Response {
        let isStream = rest.hasSuffix("/live")
        guard let event = EventID(isStream ? rest.dropLast(5) : rest) else {
            return self.find(["id": String(rest)], visitor)
        }
        if isStream { return self.live(visitor, event) }
        struct Values {
            let frame: Frame
            let screen: Screen
            let id: String
            let event: EventView.Facts?
            let steps: [EventView.Step]
            let hasSteps: Bool
            let mayAct: Bool
            let missing: String
            let contents: Contents
        }
        let sample = await self.sampler.current()
        let mayAct = visitor.session != nil
        let isAway = sample.trouble != nil || sample.isOld
        let view =
            isAway
            ? EventView(nil, [], mayAct: mayAct, missing: "It can't be read while the database is away.")
            : await self.view(of: event, mayAct: mayAct)
        let notice = visitor.session.flatMap { self.sessions?.takeNotice(for: $0.id) }
        let values = Values(
            frame: Frame(visitor, stream: "/event/\(event)/live", notice: notice),
            screen: self.screen(sample, visitor),
            id: event.description,
            event: view.event,
            steps: view.steps,
            hasSteps: view.hasSteps,
            mayAct: view.mayAct,
            missing: view.missing,
            contents: isAway
                ? Contents(problem: "They can't be read while the database is away.")
                : await self.contents(of: event, visitor)
        )
        let isMissing = view.event == nil && !isAway
        return self.page("event", values, status: isMissing ? .notFound : .ok)
    }

    func view(of event: EventID, mayAct: Bool) async -> EventView {
        do throws(QueueError) {
            let sight = try await self.reader.sight(of: event)
            let life = sight == nil ? [] : try await self.reader.life(of: event)
            return EventView(
                sight,
                life,
                mayAct: mayAct,
                showsError: self.options.showsErrors(mayAct: mayAct),
                missing: "There is no such event: it was never enqueued, or is no longer kept (setting retention)."
            )
        } catch {
            return EventView(nil, [], mayAct: mayAct, missing: "It can't be read: \(error).")
        }
    }

    struct Contents: Sendable {
        var problem: String?
        var payload: String?
        var answer: String?
    }

    /// Payload and answer, for those who may see them.
    private func contents(of event: EventID, _ visitor: Visitor) async -> Contents {
        guard self.options.showsPayloads else {
            return Contents(problem: "Hidden. An ingress that is started with --show-payloads shows them.")
        }
        guard self.sessions == nil || visitor.session != nil else {
            return Contents(problem: "Hidden. Sign in to see them.")
        }
        let read: Result<(payload: String, answer: String?)?, QueueError>
        do throws(QueueError) {
            read = .success(try await self.contents.contents(of: event))
        } catch {
            read = .failure(error)
        }
        await self.contents.closeIdle()
        do throws(QueueError) {
            let contents = try read.get()
            return Contents(payload: contents?.payload, answer: contents?.answer)
        } catch  where error.lacksRight {
            return Contents(problem: "\(Self.grantAdvice) \(Self.grantCommand)")
        } catch {
            return Contents(problem: "They can't be read: \(error).")
        }
    }

    static let grantAdvice =
        "The login of this process may look, but not act: give it one that may, in the variable "
        + "REJOINDER_OPERATOR_DATABASE_URL, after"
    static let grantCommand = "rejoinder grant LOGIN operator"
}

extension QueueError {
    /// The login may not do that.
    var lacksRight: Bool { self.underlying?.sqlState == PostgresError.insufficientPrivilege }
}
