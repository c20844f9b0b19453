import Stage
import Subprocess
import SystemPackage

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension Scenario {
    static let startUp = Scenario(letter: "m", title: "start-up, and sizes") { bench in
        try await Deployment.with(bench) { deployment in
            bench.says("m: start-up")
            let start = ContinuousClock.now
            try await deployment.addWorkers()
            try await deployment.addIngress()
            try await deployment.firstAnswer()
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            try await Task.sleep(for: .seconds(2))
            var rows = [
                Row("m", "start-up to the first answer", "\(seconds.text(2)) s", target: "< 1 s", isMet: seconds < 1),
                Self.memory("ingress", deployment.ingresses[0].member),
                Self.memory("worker", deployment.workers[0]),
            ]
            for program in ["rejoinder", "product-price-worker"] { rows.append(try await Self.size(program, bench)) }
            return rows
        }
    }

    private static func memory(_ name: String, _ member: Member) -> Row {
        Row("m", "memory of \(name) at rest", ProcessFigures.memory(.resident, of: member.pid).mebibytes)
    }

    /// A program's size, and what is left of it without symbols.
    private static func size(_ name: String, _ bench: Bench) async throws -> Row {
        let program = Programs.built(name)
        let copy = try bench.newFolder() + "/stripped"
        let stripped = try? await Subprocess.run(
            .name("strip"),
            arguments: ["-o", copy, program],
            output: .discarded,
            error: .discarded
        )
        var text = try Self.bytes(program).mebibytes
        if stripped?.terminationStatus.isSuccess == true { text += ", stripped \(try Self.bytes(copy).mebibytes)" }
        return Row("m", "size of \(name)", text)
    }

    /// In MiB.
    private static func bytes(_ path: String) throws -> Double {
        let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
        return Double(size ?? 0) / 1_048_576
    }
}
