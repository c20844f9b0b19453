import LoadGenerator
import Stage

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Measurements in turns, there and back, time after time: what the machine does besides hits all of them.
///
/// Many short rounds say more than a few long ones, since a machine that other things share changes its pace within seconds.
struct Turns {
    typealias Figure = (LoadResult) -> Double

    /// Of each that takes its turn, round by round.
    private let measurements: [[Measurement]]

    /// Each says what it is about to measure, and does.
    init(of rounds: Int, _ takers: [() async throws -> Measurement]) async throws {
        var measurements: [[Measurement]] = takers.map { _ in [] }
        for round in 1...rounds {
            let order = Array(takers.indices)
            for index in round.isMultiple(of: 2) ? order : order.reversed() {
                measurements[index].append(try await takers[index]())
            }
        }
        self.measurements = measurements
    }

    /// The figure of one of them by the first's in the same round: the median of all rounds.
    func ratio(_ index: Int, _ figure: Figure) -> Double { self.ratios(index, figure).median }

    /// How much the ratios differ.
    func spread(_ index: Int, _ figure: Figure) -> String {
        let ratios = self.ratios(index, figure)
        let (low, high) = (ratios.quantile(0.25).text(2), ratios.quantile(0.75).text(2))
        return "half of \(ratios.count) rounds from \(low) to \(high)"
    }

    /// A figure of one of them, the median of all rounds.
    func median(_ index: Int, _ figure: Figure) -> Double {
        self.measurements[index].map { figure($0.load) }.median
    }

    /// The measurement of one of them that has the median of a figure, with what it cost.
    func typical(_ index: Int, _ figure: Figure) -> Measurement {
        let sorted = self.measurements[index].sorted { figure($0.load) < figure($1.load) }
        return sorted.first { !$0.load.isRight } ?? sorted[sorted.count / 2]
    }

    /// Of two: a row of the first's figure, and one of the other's with its ratio to that.
    func rows(
        _ letter: String,
        _ figure: Figure,
        _ text: (Double) -> String,
        without: String,
        with: String,
        target: String,
        _ judge: (_ ratio: Double, _ rounds: [Double]) -> Row.Ratio
    ) -> [Row] {
        [
            Row(letter, without, text(self.median(0, figure)), self.typical(0, figure)),
            Row(
                letter,
                with,
                text(self.median(1, figure)),
                target: target,
                ratio: judge(self.ratio(1, figure), self.ratios(1, figure)),
                note: self.spread(1, figure),
                self.typical(1, figure)
            ),
        ]
    }

    private func ratios(_ index: Int, _ figure: Figure) -> [Double] {
        zip(self.measurements[0], self.measurements[index]).map { figure($1.load) / figure($0.load) }
    }
}

extension Turns {
    /// Two deployments, each measured while the other's processes are stopped: also what is idle would cost something.
    static func between(
        _ without: Deployment,
        _ with: Deployment,
        _ bench: Bench,
        _ measure: @escaping (_ deployment: Deployment, _ seconds: Double) async throws -> Measurement
    ) async throws -> Turns {
        let (rounds, seconds) = (bench.count(10, quick: 6, short: 1), bench.seconds(3, quick: 1.5))
        func alone(_ deployment: Deployment, _ other: Deployment) async throws -> Measurement {
            other.stop()
            try await deployment.goOn()
            return try await measure(deployment, seconds)
        }
        defer {
            without.letRun()
            with.letRun()
        }
        return try await Turns(of: rounds, [{ try await alone(without, with) }, { try await alone(with, without) }])
    }
}

extension Deployment {
    /// Stops the processes where they are, but for PostgreSQL's.
    fileprivate func stop() { for member in self.members { member.signal(SIGSTOP) } }

    fileprivate func letRun() { for member in self.members { member.signal(SIGCONT) } }

    /// Until calls are answered, and every worker is counted again.
    fileprivate func goOn() async throws {
        self.letRun()
        try await self.untilReady()
    }

    private var members: [Member] { self.ingresses.map(\.member) + self.workers }
}

extension [Double] {
    fileprivate var median: Double { self.quantile(0.5) }

    /// Between two of them, what lies between by their distance.
    func quantile(_ part: Double) -> Double {
        let (sorted, place) = (self.sorted(), part * Double(self.count - 1))
        let (below, above) = (sorted[Int(place)], sorted[Int(place.rounded(.up))])
        return below + (above - below) * place.truncatingRemainder(dividingBy: 1)
    }
}
