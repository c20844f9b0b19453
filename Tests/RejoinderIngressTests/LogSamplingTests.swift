import Testing

@testable import RejoinderIngress

@Suite("the sampling of lines")
struct LogSamplingTests {
    @Test("so many lines of a second are written; how many were left out is said once, when it has ended")
    func sampling() {
        var sampling = LogSampling()
        let start = ContinuousClock.now
        let most = LogSampling.mostPerSecond
        let admitted = (0..<(most + 50)).map { sampling.admits(at: start + .milliseconds($0)) }
        #expect(admitted.filter(\.isWritten).count == most)
        #expect(Set(admitted.map(\.leftOut)) == [0])
        #expect(Set(admitted.prefix(most).map(\.isWritten)) == [true])

        let next = sampling.admits(at: start + .seconds(1))
        #expect(next.isWritten && next.leftOut == 50)
        #expect(sampling.admits(at: start + .milliseconds(1001)).leftOut == 0)
        #expect(sampling.closed(at: start + .seconds(3)) == 0)
    }

    @Test("what was left out is also said when no further line comes")
    func closing() {
        var sampling = LogSampling()
        let start = ContinuousClock.now
        for _ in 0..<(LogSampling.mostPerSecond + 3) { _ = sampling.admits(at: start) }
        #expect(sampling.closed(at: start + .milliseconds(999)) == 0)
        #expect(sampling.closed(at: start + .seconds(1)) == 3)
        #expect(sampling.closed(at: start + .seconds(2)) == 0)
    }
}
