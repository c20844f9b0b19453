import Testing

@testable import EventQueue

@Suite("A lane's attention, under every order of events")
struct LaneMachineTests {
    /// A lane with what the database knows of it.
    private struct World {
        var machine: LaneMachine
        let slots: Int
        var busy = 0
        var lock = LaneMachine.Attention.full
        var isDraining = false
        var isSpare = false
        /// The last trip was a look under the idle lock that found nothing, and nobody has called since.
        var mayRest = false

        init(slots: Int) {
            self.machine = LaneMachine(slots: slots, yieldAfter: 2)
            self.slots = slots
        }

        /// All that may happen next, by name.
        func successors(_ path: String) -> [(String, World)] {
            var next: [(String, World)] = [
                (
                    "\(path) wake",
                    self.after {
                        $0.machine.woken()
                        $0.mayRest = false
                    }
                ),
                (
                    "\(path) lost",
                    self.after {
                        $0.machine.connectionLost()
                        $0.lock = .full
                        $0.mayRest = false
                    }
                ),
            ]
            next.append(
                (
                    "\(path) poll",
                    self.after {
                        $0.machine.polled()
                        $0.mayRest = false
                    }
                )
            )
            next.append(
                (
                    "\(path) spare",
                    self.after {
                        $0.isSpare.toggle()
                        $0.machine.spare($0.isSpare)
                    }
                )
            )
            if self.busy > 0 {
                next.append(
                    (
                        "\(path) free",
                        self.after {
                            $0.machine.slotFreed()
                            $0.busy -= 1
                        }
                    )
                )
            }
            var granting = self
            let isTaken = granting.machine.granted()
            #expect(isTaken == (!self.isDraining && self.busy < self.slots), "takes a grant or not:\(path)")
            if isTaken {
                granting.busy += 1
                next.append(("\(path) grant", granting))
            }
            if !self.isDraining {
                next.append(
                    (
                        "\(path) drain",
                        self.after {
                            $0.machine.drain()
                            $0.isDraining = true
                        }
                    )
                )
            }
            next += self.afterStep(path)
            return next
        }

        /// The next round trip, once for each number of events that its claim may find.
        private func afterStep(_ path: String) -> [(String, World)] {
            var world = self
            guard let step = world.machine.step() else {
                #expect(world.isDraining || world.busy == slots || world.mayRest, "sleeps without a last look:\(path)")
                // Out of the reserve it must look once more.
                #expect(!world.machine.isReserve || world.isSpare, "rests in reserve though it is needed:\(path)")
                #expect(!(world.isDraining || world.busy == slots) || world.lock == .full, "keeps a lock:\(path)")
                return []
            }
            if let attention = step.attend {
                #expect(attention != world.lock, "takes a lock twice:\(path)")
                #expect(
                    step.passesOn == (attention == .full && !world.machine.isReserve),
                    "passes on wrongly:\(path)"
                )
                world.lock = attention
            } else {
                #expect(!step.passesOn || self.machine.isReserve, "passes on without becoming full:\(path)")
            }
            #expect(!world.machine.isReserve || world.isSpare, "in reserve though it is needed:\(path)")
            guard step.claim > 0 else {
                #expect(world.isDraining || world.busy == slots, "neither claims nor is full:\(path)")
                return [("\(path) step", world)]
            }
            #expect(!world.isDraining, "claims while it drains:\(path)")
            #expect(step.claim == slots - world.busy, "claims more or less than it has slots:\(path)")
            #expect((world.lock == .full) == world.machine.isReserve, "claims with the wrong lock:\(path)")
            return (0...step.claim).map { count in
                (
                    "\(path) claim\(count)",
                    world.after { world in
                        world.machine.claimed(count)
                        world.busy += count
                        world.mayRest = world.lock == .idle ? count < step.claim : count == 0 && world.lock == .full
                        #expect(world.machine.busy == world.busy)
                    }
                )
            }
        }

        private func after(_ change: (inout World) -> Void) -> World {
            var world = self
            change(&world)
            return world
        }
    }

    @Test("no order of events breaks its rules", arguments: 1...6)
    func everyOrder(slots: Int) {
        // Breadth first through all that can ever be reached; a world's description is all of its state.
        let start = World(slots: slots)
        var reached: Set<String> = ["\(start)"]
        var frontier = [("", start)]
        while !frontier.isEmpty {
            frontier = frontier.flatMap { $1.successors($0) }.filter { reached.insert("\($0.1)").inserted }
        }
        #expect(reached.count > 10 * slots)
        #expect(reached.count < 4000)
    }

    @Test("left alone after it was woken, it comes to rest with the right lock")
    func rest() throws {
        var machine = LaneMachine(slots: 3)
        #expect(machine.step() == LaneMachine.Step(attend: .eager, claim: 3))
        machine.claimed(0)
        #expect(machine.step() == LaneMachine.Step(attend: .idle, claim: 3))
        machine.claimed(0)
        #expect(machine.step() == nil)

        // In quiet times it looks without becoming eager first, and need not look again.
        machine.woken()
        #expect(machine.step() == LaneMachine.Step(claim: 3))
        machine.claimed(2)
        #expect(machine.step() == nil)
        machine.woken()
        #expect(machine.step() == LaneMachine.Step(claim: 1))
        machine.claimed(1)
        #expect(machine.step() == LaneMachine.Step(attend: .full, passesOn: true))
        #expect(machine.step() == nil)

        machine.slotFreed()
        #expect(machine.step() == LaneMachine.Step(attend: .eager, claim: 1))
        machine.claimed(0)
        #expect(machine.step() == LaneMachine.Step(attend: .idle, claim: 1))
    }

    @Test("a look that finds many makes it eager, and it sleeps again when there are few")
    func manyAndFew() {
        let many = LaneMachine.many
        var machine = self.asleep(slots: 3 * many)
        machine.woken()
        #expect(machine.step() == LaneMachine.Step(claim: 3 * many))
        machine.claimed(many)
        #expect(machine.step() == LaneMachine.Step(attend: .eager, claim: 2 * many))
        machine.claimed(1)
        #expect(machine.step() == LaneMachine.Step(claim: 2 * many - 1))
        machine.claimed(0)
        #expect(machine.step() == LaneMachine.Step(attend: .idle, claim: 2 * many - 1))
        machine.claimed(1)
        #expect(machine.step() == nil)
    }

    /// A lane that has found nothing, twice.
    private func asleep(slots: Int = 3) -> LaneMachine {
        var machine = LaneMachine(slots: slots)
        for _ in 0..<2 {
            _ = machine.step()
            machine.claimed(0)
        }
        return machine
    }

    @Test("polled while it sleeps, it claims without a change of locks, and sleeps on")
    func poll() {
        var machine = self.asleep()
        #expect(machine.step() == nil)
        for _ in 0..<3 {
            machine.polled()
            #expect(machine.step() == LaneMachine.Step(claim: 3, isBackstop: true))
            machine.claimed(0)
            #expect(machine.step() == nil)
        }
    }

    @Test("a poll that finds few changes nothing, one that finds all that it can take makes it full")
    func successfulPoll() {
        var machine = self.asleep()
        machine.polled()
        #expect(machine.step() == LaneMachine.Step(claim: 3, isBackstop: true))
        machine.claimed(1)
        #expect(machine.step() == nil)

        machine = self.asleep()
        machine.polled()
        _ = machine.step()
        machine.claimed(3)
        #expect(machine.step() == LaneMachine.Step(attend: .full, passesOn: true))
        #expect(machine.step() == nil)
    }

    @Test("an eager lane whose claims stay small looks whether another's suffice, unless handlers keep it busy")
    func yields() {
        var machine = LaneMachine(slots: 3, yieldAfter: 5)
        for _ in 0..<5 {
            #expect(machine.step()?.attend != .idle)
            machine.claimed(1)
            machine.slotFreed()
        }
        #expect(machine.step() == LaneMachine.Step(attend: .idle, claim: 3))
        machine.claimed(0)
        #expect(machine.step() == nil)

        // One that runs all the while.
        machine = LaneMachine(slots: 3, yieldAfter: 5)
        _ = machine.step()
        machine.claimed(1)
        for _ in 0..<10 {
            #expect(machine.step() == LaneMachine.Step(claim: 2))
            machine.claimed(1)
            machine.slotFreed()
        }
    }

    @Test("handed events, it sleeps on until it is full")
    func granted() {
        var machine = self.asleep(slots: 2)
        var isTaken = machine.granted()
        #expect(isTaken)
        #expect(machine.step() == nil)
        isTaken = machine.granted()
        #expect(isTaken)
        isTaken = machine.granted()
        #expect(!isTaken)
        #expect(machine.step() == LaneMachine.Step(attend: .full, passesOn: true))
        machine.slotFreed()
        #expect(machine.step() == LaneMachine.Step(attend: .eager, claim: 1))
    }

    @Test("where enough others listen, it sleeps in reserve: without a lock, and polled like any other")
    func reserve() {
        var machine = self.asleep()
        machine.spare(true)
        #expect(machine.step() == LaneMachine.Step(attend: .full, claim: 3))
        machine.claimed(0)
        #expect(machine.isReserve)
        #expect(machine.step() == nil)
        machine.polled()
        #expect(machine.step() == LaneMachine.Step(claim: 3, isBackstop: true))
        machine.claimed(1)
        #expect(machine.step() == LaneMachine.Step(attend: .eager, claim: 2))
        #expect(!machine.isReserve)
    }

    @Test("out of the reserve it is idle again, or wakes another when it is full")
    func outOfReserve() {
        var machine = self.asleep()
        machine.spare(true)
        _ = machine.step()
        machine.claimed(0)
        machine.spare(false)
        #expect(machine.step() == LaneMachine.Step(attend: .idle, claim: 3))
        machine.claimed(0)
        #expect(machine.step() == nil)

        machine.spare(true)
        _ = machine.step()
        machine.claimed(3)
        #expect(machine.step() == LaneMachine.Step(passesOn: true))
        #expect(machine.step() == nil)
    }

    @Test("a poll is nothing to a lane that is full or drained, and takes nothing from a call")
    func idlePolls() {
        var machine = LaneMachine(slots: 1)
        _ = machine.step()
        machine.claimed(1)
        _ = machine.step()
        machine.polled()
        #expect(machine.step() == nil)

        machine = self.asleep()
        machine.polled()
        machine.woken()
        #expect(machine.step() == LaneMachine.Step(claim: 3))
        machine.claimed(0)
        #expect(machine.step() == nil)

        machine = self.asleep()
        machine.polled()
        machine.drain()
        #expect(machine.step() == LaneMachine.Step(attend: .full, passesOn: true))
        #expect(machine.step() == nil)
    }

    @Test("a poll that comes during the last look makes it look once more")
    func pollDuringLastLook() {
        var machine = LaneMachine(slots: 1)
        _ = machine.step()
        machine.claimed(0)
        _ = machine.step()
        machine.polled()
        machine.claimed(0)
        #expect(machine.step() == LaneMachine.Step(claim: 1, isBackstop: true))
        machine.claimed(0)
        #expect(machine.step() == nil)
    }

    @Test("a call that comes during the last look is not lost")
    func callDuringLastLook() {
        var machine = LaneMachine(slots: 1)
        _ = machine.step()
        machine.claimed(0)
        _ = machine.step()
        machine.woken()
        machine.claimed(0)
        #expect(machine.step() == LaneMachine.Step(claim: 1))
    }
}
