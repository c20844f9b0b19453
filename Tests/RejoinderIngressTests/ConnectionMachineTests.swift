import Testing

@testable import RejoinderIngress

@Suite("a connection's state")
struct ConnectionMachineTests {
    @Test("the first bytes are a head's; those of a body are not, nor any while a request is under way")
    func reading() {
        var machine = ConnectionMachine()
        #expect(machine.isIdle)
        machine.bytesArrived(1)
        #expect(machine.reading == .head)
        #expect(!machine.isIdle)
        machine.bytesArrived(1)
        #expect(machine.reading == .head)
        _ = machine.headArrived()
        #expect(machine.reading == .body)
        machine.bytesArrived(1)
        #expect(machine.reading == .body)
        machine.endArrived()
        #expect(machine.reading == .nothing)
        machine.bytesArrived(1)
        #expect(machine.reading == .nothing, "a request is under way")
        #expect(!machine.isIdle)
        machine.responseStarted(closing: false)
        _ = machine.responseEnded()
        #expect(machine.reading == .head)
        #expect(!machine.isIdle)
    }

    @Test("a connection is idle again when its response has ended")
    func idle() {
        var machine = ConnectionMachine()
        machine.bytesArrived(1)
        _ = machine.headArrived()
        machine.endArrived()
        _ = machine.responseEnded()
        #expect(machine.isIdle)
        machine.bytesArrived(1)
        #expect(machine.reading == .head)
    }

    @Test("while a request is under way the first bytes of the next are read, in their turn they are a head's")
    func readingAhead() {
        var machine = ConnectionMachine()
        #expect(!machine.readsAhead, "those behind ask for what comes")
        machine.bytesArrived(100)
        _ = machine.headArrived()
        #expect(!machine.readsAhead)
        machine.endArrived()
        #expect(machine.readsAhead)
        machine.bytesArrived(1)
        #expect(!machine.readsAhead)
        machine.responseStarted(closing: false)
        let next = machine.responseEnded()
        #expect(next == .goOn)
        #expect(machine.reading == .head)
        #expect(machine.awaitsCaller, "it has as much time as any head")
        _ = machine.headArrived()
        machine.endArrived()
        _ = machine.failed(with: .malformedHTTP)
        #expect(!machine.readsAhead)
    }

    @Test("behind two requests that came together nothing more is read, however whole they are")
    func twoTogether() {
        var machine = ConnectionMachine()
        machine.bytesArrived(200)
        for _ in 0..<2 {
            _ = machine.headArrived()
            machine.endArrived()
        }
        #expect(!machine.readsAhead)
        _ = machine.responseEnded()
        #expect(machine.readsAhead)
    }

    @Test("of many pipelined requests some are taken, and the connection closes after their responses")
    func tooMany() {
        var machine = ConnectionMachine()
        for _ in 0..<ConnectionMachine.mostPipelined {
            let isTaken = machine.headArrived()
            #expect(isTaken)
            machine.endArrived()
        }
        let isTaken = machine.headArrived()
        #expect(!isTaken)
        #expect(!machine.isTaking)
        for number in 1...ConnectionMachine.mostPipelined {
            machine.responseStarted(closing: false)
            let next = machine.responseEnded()
            #expect(next == (number == ConnectionMachine.mostPipelined ? .close : .goOn))
        }
    }

    @Test("the bytes of a handshake are no head's")
    func handshake() {
        var machine = ConnectionMachine()
        machine.bytesArrived(500)
        machine.handshakeEnded()
        #expect(machine.isIdle)
        #expect(!machine.awaitsCaller)
        machine.bytesArrived(1)
        #expect(machine.reading == .head)
    }

    @Test("a failure while nothing is under way is answered at once, and only the first one")
    func failureAtRest() {
        var machine = ConnectionMachine()
        machine.bytesArrived(1)
        let outcome6 = machine.failed(with: .timeout)
        #expect(outcome6 == .sendNow)
        machine.isClosing = true
        let outcome7 = machine.failed(with: .malformedHTTP)
        #expect(outcome7 == .ignore)
    }

    @Test("a failure of the only request's body is answered at once, unless its response has begun")
    func failureInBody() {
        var machine = ConnectionMachine()
        _ = machine.headArrived()
        let outcome8 = machine.failed(with: .timeout)
        #expect(outcome8 == .sendNow)

        var begun = ConnectionMachine()
        _ = begun.headArrived()
        begun.responseStarted(closing: false)
        let outcome9 = begun.failed(with: .timeout)
        #expect(outcome9 == .closeNow)
    }

    @Test("a failure behind requests under way waits until they are answered")
    func failureBehindOthers() {
        var machine = ConnectionMachine()
        _ = machine.headArrived()
        machine.endArrived()
        _ = machine.headArrived()
        machine.endArrived()
        let outcome10 = machine.failed(with: .malformedHTTP)
        #expect(outcome10 == .sendLater)
        let outcome11 = machine.failed(with: .malformedHTTP)
        #expect(outcome11 == .ignore)
        machine.responseStarted(closing: false)
        let outcome12 = machine.responseEnded()
        #expect(outcome12 == .goOn)
        machine.responseStarted(closing: false)
        let outcome13 = machine.responseEnded()
        #expect(outcome13 == .refuse(.malformedHTTP))
    }

    @Test("a broken body behind a request under way is refused once that one is answered")
    func brokenBodyBehindAnother() {
        var machine = ConnectionMachine()
        _ = machine.headArrived()
        machine.endArrived()
        _ = machine.headArrived()
        let outcome14 = machine.failed(with: .timeout)
        #expect(outcome14 == .sendLater)
        machine.responseStarted(closing: false)
        let outcome15 = machine.responseEnded()
        #expect(outcome15 == .refuse(.timeout))
    }

    @Test("a response that closes is the last")
    func closing() {
        var machine = ConnectionMachine()
        _ = machine.headArrived()
        machine.responseStarted(closing: true)
        let outcome16 = machine.responseEnded()
        #expect(outcome16 == .close)
    }

    @Test("under any order of events nothing is refused twice, and nothing after the end")
    func anyOrder() {
        var random = SplitMix(state: 7)
        for _ in 0..<2000 {
            var machine = ConnectionMachine()
            var refusals = 0
            var underWay = 0
            for _ in 0..<30 where !machine.isClosing {
                switch random.next() % 5 {
                case 0: machine.bytesArrived(1)
                case 1 where !(machine.reading == .body):
                    _ = machine.headArrived()
                    underWay += 1
                case 2 where machine.reading == .body: machine.endArrived()
                case 3 where underWay > (machine.reading == .body ? 1 : 0):
                    machine.responseStarted(closing: false)
                    underWay -= 1
                    if case .refuse = machine.responseEnded() {
                        refusals += 1
                        machine.isClosing = true
                    }
                case 4:
                    if machine.failed(with: .timeout) == .sendNow {
                        refusals += 1
                        machine.isClosing = true
                    }
                default: break
                }
            }
            #expect(refusals <= 1)
        }
    }
}

/// Seeded, so that a failure can be seen again.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var value = self.state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
