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
        /// The last trip was a look under the idle lock that found nothing, and nobody has called since.
        var mayRest = false

        init(slots: Int) {
            self.machine = LaneMachine(slots: slots)
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
                #expect(!(world.isDraining || world.busy == slots) || world.lock == .full, "keeps a lock:\(path)")
                return []
            }
            if let attention = step.attend {
                #expect(attention != world.lock, "takes a lock twice:\(path)")
                #expect(step.passesOn == (attention == .full), "passes on wrongly:\(path)")
                world.lock = attention
            } else {
                #expect(!step.passesOn, "passes on without becoming full:\(path)")
            }
            guard step.claim > 0 else {
                #expect(world.isDraining || world.busy == slots, "neither claims nor is full:\(path)")
                return [("\(path) step", world)]
            }
            #expect(!world.isDraining, "claims while it drains:\(path)")
            #expect(step.claim == slots - world.busy, "claims more or less than it has slots:\(path)")
            #expect(world.lock != .full, "claims without a lock:\(path)")
            return (0...step.claim).map { count in
                (
                    "\(path) claim\(count)",
                    world.after { world in
                        world.machine.claimed(count)
                        world.busy += count
                        world.mayRest = count == 0 && world.lock == .idle
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

    @Test("no order of events breaks its rules", arguments: 1...4)
    func everyOrder(slots: Int) {
        // Breadth first through all that can ever be reached; a world's description is all of its state.
        let start = World(slots: slots)
        var reached: Set<String> = ["\(start)"]
        var frontier = [("", start)]
        while !frontier.isEmpty {
            frontier = frontier.flatMap { $1.successors($0) }.filter { reached.insert("\($0.1)").inserted }
        }
        #expect(reached.count > 10 * slots)
        #expect(reached.count < 1000)
    }

    @Test("left alone after it was woken, it comes to rest with the right lock")
    func rest() throws {
        var machine = LaneMachine(slots: 3)
        #expect(machine.step() == LaneMachine.Step(attend: .eager, claim: 3))
        machine.claimed(0)
        #expect(machine.step() == LaneMachine.Step(attend: .idle, claim: 3))
        machine.claimed(0)
        #expect(machine.step() == nil)

        machine.woken()
        #expect(machine.step() == LaneMachine.Step(attend: .eager, claim: 3))
        machine.claimed(2)
        // In quiet times the look before sleep comes at once.
        #expect(machine.step() == LaneMachine.Step(attend: .idle, claim: 1))
        machine.claimed(1)
        #expect(machine.step() == LaneMachine.Step(attend: .full, passesOn: true))
        #expect(machine.step() == nil)

        machine.slotFreed()
        #expect(machine.step() == LaneMachine.Step(attend: .eager, claim: 1))
        machine.claimed(0)
        #expect(machine.step() == LaneMachine.Step(attend: .idle, claim: 1))
    }

    @Test("a last look that finds something is not the last")
    func lastLook() {
        var machine = LaneMachine(slots: 3)
        _ = machine.step()
        machine.claimed(0)
        #expect(machine.step()?.attend == .idle)
        machine.claimed(1)
        #expect(machine.step() == LaneMachine.Step(attend: .eager, claim: 2))
    }

    @Test("a call that comes during the last look is not lost")
    func callDuringLastLook() {
        var machine = LaneMachine(slots: 1)
        _ = machine.step()
        machine.claimed(0)
        _ = machine.step()
        machine.woken()
        machine.claimed(0)
        #expect(machine.step() == LaneMachine.Step(attend: .eager, claim: 1))
    }
}
