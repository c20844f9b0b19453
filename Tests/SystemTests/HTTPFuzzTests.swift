import FuzzInput
import HaptikWebhook
import TestSupport
import Testing

/// Random damage to valid requests, over real sockets: what can't be thought of beforehand.
@Suite("random input at the HTTP edge", .serialized)
struct HTTPFuzzTests {
    @Test(
        "no crash, at most one reply for one request, the same in whatever pieces, and a call is answered afterwards",
        arguments: SeededGenerator.seeds(3)
    )
    func mutations(seed: UInt64) async throws {
        var random = SeededGenerator(state: seed)
        // Long enough for the pieces of what is complete, on a busy machine too.
        let limits = ["--timeout-head", "5s", "--timeout-body", "5s", "--timeout-idle", "5s"]
        try await TestCluster.withDatabase { database in
            try await Deployment.with(database, limits) { deployment in
                try await deployment.withWorker { _ in
                    let seeds = (HTTPCase.served + HTTPCase.framing + HTTPCase.fields).map(\.bytes)
                    for _ in 0..<2 {
                        let batch = (0..<150).map { _ in
                            let bytes = Self.mutated(seeds, &random)
                            return (bytes, Self.pieces(of: bytes, &random))
                        }
                        try await Self.exchange(batch, deployment)
                    }
                    let answer = try await deployment.call("echo", ["id": "\(seed)"])
                    #expect(answer.message == "\(seed)")
                    let complaints = deployment.ingress.lines.filter { $0.contains("Fatal error") }
                    #expect(complaints.isEmpty)
                }
            }
        }
    }

    /// Sends each on a connection of its own, and once more in pieces; each is closed by the other side, at the latest as an
    /// idle one.
    private static func exchange(_ batch: [([UInt8], [[UInt8]])], _ deployment: Deployment) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (bytes, pieces) in batch {
                group.addTask {
                    let reply = try await RawConnection.exchange(bytes, port: deployment.port)
                    let statuses = RawConnection.statuses(in: reply).filter { $0 != 100 }
                    // A request takes at least its first line; what follows the last one may be refused once.
                    let requests = bytes.split(separator: UInt8(ascii: "\n")).count { $0.contains(ascii: "HTTP/1.") }
                    #expect(statuses.count <= requests + 1, "\(String(decoding: bytes, as: UTF8.self)): \(reply)")
                    #expect(statuses.dropLast().allSatisfy { ![408, 413, 431].contains($0) }, "\(reply)")
                    #expect(statuses.allSatisfy { $0 < 500 || $0 == 503 }, "\(reply)")
                    let other = try await RawConnection.exchange(
                        pieces: pieces,
                        port: deployment.port,
                        step: .milliseconds(1)
                    )
                    #expect(
                        RawConnection.statuses(in: other).filter { $0 != 100 } == statuses,
                        "\(pieces.map { String(decoding: $0, as: UTF8.self) })"
                    )
                }
            }
            try await group.waitForAll()
        }
    }

    /// Cut at up to four places.
    private static func pieces(of bytes: [UInt8], _ random: inout SeededGenerator) -> [[UInt8]] {
        let cuts = (0..<4).map { _ in Int.random(in: 0...bytes.count, using: &random) }.sorted()
        return zip([0] + cuts, cuts + [bytes.count]).map { Array(bytes[$0..<$1]) }.filter { !$0.isEmpty }
    }

    private static func mutated(_ seeds: [[UInt8]], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = seeds.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            guard let index = bytes.indices.randomElement(using: &random) else { break }
            let other = bytes.indices.randomElement(using: &random) ?? index
            let range = min(index, other)..<max(index, other)
            switch Int.random(in: 0..<8, using: &random) {
            case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2: bytes.remove(at: index)
            case 3: bytes.insert(Array("\r\n\0 :,;0aF".utf8).randomElement(using: &random) ?? 0, at: index)
            case 4: bytes.swapAt(index, other)
            case 5: bytes.removeSubrange(range)
            case 6: bytes.insert(contentsOf: bytes[range], at: index)
            default: bytes += seeds.randomElement(using: &random) ?? []
            }
        }
        return bytes
    }
}

extension [UInt8].SubSequence {
    fileprivate func contains(ascii text: String) -> Bool { self.firstRange(of: Array(text.utf8)) != nil }
}
