import Synchronization
import TestSupport
import Testing

@testable import PostgresClient

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

private func currentThread() -> UInt {
    #if canImport(Darwin)
    UInt(bitPattern: pthread_self())
    #else
    UInt(pthread_self())
    #endif
}

/// Counts from any thread.
private final class Counter: Sendable {
    private let number = Atomic(0)

    var value: Int { self.number.load(ordering: .acquiring) }

    func add() { self.number.add(1, ordering: .acquiringAndReleasing) }
}

/// What runs on a connection's thread.
private actor Guest {
    private nonisolated let thread: ConnectionThread
    private(set) var notes: [Int] = []
    private(set) var threads: Set<UInt> = []

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

    init() throws { self.thread = try #require(ConnectionThread()) }

    func note(_ number: Int) {
        self.notes.append(number)
        self.threads.insert(currentThread())
    }

    /// Makes a job of each of so many notes, all of them while this one runs.
    func noteLater(_ count: Int) {
        for number in 0..<count { Task { self.note(number) } }
    }

    func assumeIsolatedly() { self.assume() }

    nonisolated func assume() { self.assumeIsolated { guest in _ = guest.notes } }

    /// Until somebody counts.
    func block(on counter: Counter) {
        while counter.value == 0 { usleep(1000) }
    }

    func watch(_ socket: Int32, onInput: @escaping @Sendable () -> Bool) {
        self.thread.watch(socket) { [weak self] in
            _ = self?.assumeIsolated { $0.threads.insert(currentThread()) }
            return onInput()
        }
    }

    func watchBlindly(_ socket: Int32, onInput: @escaping @Sendable () -> Bool) {
        self.thread.watch(socket, onInput: onInput)
    }

    func endWatch() { self.thread.endWatch() }

    /// Lends the thread, and returns when that has had its turn.
    func lend(to work: [@Sendable () -> Void]) async {
        for work in work { self.thread.lend(to: work) }
        await self.thread.takeTurns()
    }
}

/// Two ends of a connection, closed with this object.
private final class Ends: Sendable {
    let near: Int32
    let far: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        #if canImport(Glibc)
        let type = Int32(SOCK_STREAM.rawValue)
        #else
        let type = SOCK_STREAM
        #endif
        try #require(socketpair(AF_UNIX, type, 0, &ends) == 0)
        (self.near, self.far) = (ends[0], ends[1])
    }

    deinit {
        close(self.near)
        close(self.far)
    }

    func send(_ byte: UInt8) { withUnsafeBytes(of: byte) { _ = write(self.far, $0.baseAddress, 1) } }

    func hangUp() { shutdown(self.far, Int32(SHUT_WR)) }

    /// The next byte; nil at the end.
    func receive() -> UInt8? {
        var byte: UInt8 = 0
        return withUnsafeMutableBytes(of: &byte) { read(self.near, $0.baseAddress, 1) } == 1 ? byte : nil
    }
}

@Suite("A connection's thread", .timeLimit(.minutes(10)))
struct ConnectionThreadTests {
    @Test("jobs run in the order in which they came, on one thread")
    func order() async throws {
        let guest = try Guest()
        await guest.noteLater(1000)
        try await eventually("all have run") { await guest.notes.count == 1000 }
        #expect(await guest.notes == Array(0..<1000))
        await guest.note(1000)
        #expect(await guest.threads.count == 1)
    }

    @Test("a task that prefers it runs on it where it is no actor's, after a wait, too")
    func preferred() async throws {
        let thread = try #require(ConnectionThread())
        let own = await withCheckedContinuation { own in thread.lend { own.resume(returning: currentThread()) } }
        let seen = await withTaskExecutorPreference(thread) {
            let before = currentThread()
            await withCheckedContinuation { waiter in Task { waiter.resume() } }
            return [before, currentThread()]
        }
        #expect(seen == [own, own])
    }

    @Test("what the thread is lent to runs there, in order, and before the actor goes on")
    func lent() async throws {
        let guest = try Guest()
        await guest.note(0)
        let seen = Mutex<[(number: Int, thread: UInt)]>([])
        await guest.lend(to: (0..<10).map { n in { seen.withLock { $0.append((n, currentThread())) } } })
        try await eventually("all have run") { seen.withLock { $0.count } == 10 }
        #expect(seen.withLock { $0.map(\.number) } == Array(0..<10))
        #expect(Set(seen.withLock { $0.map(\.thread) }) == (await guest.threads))
        // With nothing to wait for it returns at once.
        await guest.lend(to: [])
    }

    @Test("what blocks the thread keeps it: the actor goes on with another, and so does the rest of what was lent to")
    func lost() async throws {
        let guest = try Guest()
        let (gate, others) = (Counter(), Counter())
        let block: @Sendable () -> Void = { while gate.value == 0 { usleep(1000) } }
        await guest.lend(to: [block, block, { others.add() }, block, { others.add() }])
        await guest.note(1)
        try await eventually("the rest has run") { others.value == 2 }
        await guest.note(2)
        #expect(await guest.notes == [1, 2])
        gate.add()
        // Those that come back find that it is not theirs any more, and it works as before.
        await guest.noteLater(100)
        try await eventually("all have run") { await guest.notes.count == 102 }
        await guest.lend(to: [{ others.add() }])
        try await eventually("it is lent again") { others.value == 3 }
    }

    @Test("jobs from everywhere run one at a time, and none is lost, whether it sleeps or not")
    func everywhere() async throws {
        let guest = try Guest()
        await withTaskGroup(of: Void.self) { group in
            for sender in 0..<8 {
                group.addTask {
                    for n in 0..<500 {
                        await guest.note(sender * 1000 + n)
                        // Now and then it has time to fall asleep.
                        if n.isMultiple(of: 50) { try? await Task.sleep(for: .milliseconds(1)) }
                    }
                }
            }
        }
        let notes = await guest.notes
        #expect(notes.count == 4000)
        for sender in 0..<8 {
            #expect(notes.filter { $0 / 1000 == sender } == (0..<500).map { sender * 1000 + $0 })
        }
        #expect(await guest.threads.count == 1)
    }

    @Test("a job may block, and others go on elsewhere meanwhile")
    func blocking() async throws {
        let open = Counter()
        let guests = try (0..<20).map { _ in try Guest() }
        let blocked = guests.map { guest in Task { await guest.block(on: open) } }
        let free = try Guest()
        for n in 0..<100 { await free.note(n) }
        #expect(await free.notes.count == 100)
        open.add()
        for task in blocked { await task.value }
    }

    @Test("what a watched socket brings wakes it, on the same thread as the jobs")
    func watch() async throws {
        let guest = try Guest()
        let ends = try Ends()
        let received = Mailbox<UInt8?>()
        let inputs = Counter()
        await guest.watch(ends.near) {
            inputs.add()
            let byte = ends.receive()
            received.send(byte)
            return byte != nil
        }
        for byte in UInt8(0)..<100 {
            ends.send(byte)
            #expect(try await received.next() == byte)
            if byte.isMultiple(of: 3) { await guest.note(Int(byte)) }
        }
        for byte in UInt8(0)..<100 { ends.send(byte) }
        for byte in UInt8(0)..<100 { #expect(try await received.next() == byte) }
        #expect(await guest.threads.count == 1)

        // The end is input too, and the last.
        ends.hangUp()
        #expect(try await received.next() == nil)
        for n in 0..<50 { await guest.note(n) }
        #expect(inputs.value == 201)
    }

    @Test("a socket whose input is not read does not keep jobs from running, nor jobs the socket from being read")
    func fairness() async throws {
        let guest = try Guest()
        let ends = try Ends()
        let inputs = Counter()
        await guest.watch(ends.near) {
            inputs.add()
            return true
        }
        ends.send(1)
        for n in 0..<200 { await guest.note(n) }
        #expect(await guest.notes.count == 200)
        let before = inputs.value
        try await eventually("the input is seen again") {
            await guest.note(0)
            return inputs.value > before
        }
        await guest.endWatch()
        let after = inputs.value
        for n in 0..<50 { await guest.note(n) }
        #expect(inputs.value == after)
    }

    @Test("input that came before the watch, or while a job ran, is not lost")
    func earlyInput() async throws {
        let guest = try Guest()
        let ends = try Ends()
        let received = Mailbox<UInt8?>()
        ends.send(1)
        await guest.watch(ends.near) {
            received.send(ends.receive())
            return true
        }
        #expect(try await received.next() == 1)
        let open = Counter()
        let blocked = Task { await guest.block(on: open) }
        ends.send(2)
        open.add()
        #expect(try await received.next() == 2)
        await blocked.value
        await guest.endWatch()
    }

    @Test("it ends with its connection, also while that watches a socket", arguments: [false, true])
    func end(watches: Bool) async throws {
        /// Held by the thread for as long as that runs.
        final class Token: Sendable {}
        let ends = try Ends()
        weak var token: Token?
        weak var gone: Guest?
        do {
            let guest = try Guest()
            let held = Token()
            (token, gone) = (held, guest)
            await guest.watchBlindly(watches ? ends.near : -1) { withExtendedLifetime(held) { true } }
            await guest.note(1)
            #expect(token != nil)
        }
        try await eventually("the connection is gone") { gone == nil }
        try await eventually("the thread has ended") { token == nil }
    }

    @Test("many come and go, and leave no descriptor behind")
    func descriptors() async throws {
        func openOnes() -> Int { (0..<Int32(4096)).count { fcntl($0, F_GETFD) >= 0 } }
        let before = openOnes()
        for round in 0..<200 {
            let guest = try Guest()
            await guest.note(round)
        }
        // Others in this process open some of their own meanwhile, but not two for each round.
        try await eventually("they are closed") { openOnes() < before + 200 }
    }

    @Test("isolation is checked against the thread")
    func isolation() async throws {
        let guest = try Guest()
        await guest.assumeIsolatedly()
        await #expect(processExitsWith: .failure) { try Guest().assume() }
    }
}
