import HaptikWebhook
import TestSupport
import Testing

/// What is no reply is never sent as one.
@Suite("invalid replies", .serialized)
struct InvalidReplyTests {
    @Test(
        "a handler's invalid reply is a 502, and the worker's log names the handler",
        arguments: [
            "empty", "silent", "huge", "deep",
        ]
    )
    func handlers(node: String) async throws {
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database) { deployment in
                try await deployment.withWorker { worker in
                    let answer = try await deployment.call(node)
                    #expect(answer.status == 502)
                    #expect(answer.code == "invalid_reply")
                    let line = try await worker.line(containing: "the handler's reply is invalid")
                    #expect(line.contains("node=\(node)"), "\(line)")
                    let refusal = try await deployment.ingress.line(containing: "no reply")
                    #expect(refusal.contains("node=\(node)"), "\(refusal)")
                }
            }
        }
    }

    static let rubbish = [
        "null", "{}", "[]", "\"text\"", "{\"status\":true}", "{\"status\":true,\"response\":[]}",
        "{\"status\":true,\"response\":[\"\"]}", "{\"status\":1,\"response\":[\"a\"]}",
        "{\"status\":true,\"response\":\"a\"}", "{\"status\":true,\"response\":[{}]}",
        "{\"status\":true,\"status\":false,\"response\":[\"a\"]}", "{\"status\":true,\"response\":[\"\\ud800\"]}",
        "{\"status\":true,\"response\":[\"a\"],\"user_details\":1}",
        "{\"status\":true,\"response\":[\"a\"],\"x\":" + String(repeating: "[", count: 70)
            + String(repeating: "]", count: 70) + "}",
        "{\"status\":true,\"response\":[\"\(String(repeating: "a", count: 1 << 20))\"]}",
    ]

    @Test("what a worker of another make stores is held to the contract too")
    func foreignWorker() async throws {
        try await TestCluster.withDatabase { database in
            // It is there, and answers nothing by itself.
            try await Deployment.with(database, ["--worker-grace", "60s"]) { deployment in
                for text in Self.rubbish {
                    let answer = try await Self.answered(text, deployment)
                    #expect(answer.status == 502, "\(text.prefix(80))")
                    #expect(answer.code == "invalid_reply", "\(text.prefix(80))")
                }
                let good = try await Self.answered("{ \"status\": true, \"response\": [\"a\"] }", deployment)
                #expect(good.status == 200)
                #expect(good.body == "{ \"status\": true, \"response\": [\"a\"] }")
                let line = try await deployment.ingress.line(containing: "no valid reply")
                #expect(line.contains("node=foreign"), "\(line)")
            }
        }
    }

    /// A call whose answer is stored by SQL: registered, claimed, answered and told as any worker would do it.
    private static func answered(_ text: String, _ deployment: Deployment) async throws -> Answer {
        async let answer = deployment.call("foreign")
        try await deployment.eventually("select count(*)::text from rejoinder.queue", is: "1")
        try await deployment.database.query(
            """
            do $do$
            declare
                worker integer;
                claimed record;
            begin
                select registered into worker from rejoinder.register('worker', 'foreign', 'here', 1, '1');
                for claimed in select * from rejoinder.claim(worker, array['foreign'], 1) loop
                    perform rejoinder.answer(
                        worker, array[claimed.id], array[claimed.place], array['answered'],
                        array[$json$\(text)$json$::json], array[null::text], array[null::text]
                    );
                    perform rejoinder.settle(array[claimed.id]);
                end loop;
            end $do$
            """
        )
        return try await answer
    }
}
