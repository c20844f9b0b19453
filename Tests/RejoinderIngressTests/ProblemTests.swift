import EventQueue
import HTTPTypes
import HaptikWebhook
import TestSupport
import Testing

@testable import RejoinderIngress

@Suite("problems")
struct ProblemTests {
    @Test("every problem is strict JSON with its status and code", arguments: Problem.allCases)
    func body(_ problem: Problem) throws {
        let id = EventID()
        let body = try JSONValue(parsing: problem.body(event: id, detail: "a \"quoted\"\ndetail"))
        #expect(body["code"]?.string == problem.rawValue)
        #expect(body["status"]?.int == problem.status.code)
        #expect(body["type"]?.string == "urn:rejoinder:problem:\(problem.rawValue)")
        #expect(body["event"]?.string == id.description)
        #expect(body["detail"]?.string == "a \"quoted\"\ndetail")
        #expect(problem.status.code >= 400)
        #expect(problem.fields[.contentType] == "application/problem+json")
    }

    @Test("what tells the caller to come again says when, and only that")
    func retryAfter() {
        for problem in Problem.allCases {
            #expect((problem.fields[.retryAfter] != nil) == (problem.status.code == 503))
        }
    }

    @Test("an operator is told what each means, and what to do")
    func advice() async throws {
        try await TestCluster.withDatabase { database in
            for problem in Problem.allCases {
                let advice = try await database.query("select rejoinder.advice('call', '\(problem.rawValue)')")
                #expect(advice.first?[0] != nil, "\(problem.rawValue)")
            }
        }
    }
}
