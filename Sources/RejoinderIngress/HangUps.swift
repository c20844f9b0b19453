import NIOCore
import Synchronization

/// Which connections are open, and what is to happen when the caller at the other end hangs up.
///
/// The server doesn't cancel a handler whose caller has gone; the connection's guard sees it and reports it here.
final class HangUps: Sendable {
    private enum Line {
        case open(onHangUp: (@Sendable () -> Void)?)
        case closed
    }

    private let lines = Mutex<[ObjectIdentifier: Line]>([:])

    func opened(_ channel: any Channel) {
        self.lines.withLock { $0[ObjectIdentifier(channel)] = .open(onHangUp: nil) }
    }

    /// The caller has closed its side: it waits for nothing any more.
    func hungUp(_ channel: any Channel) {
        let line = self.lines.withLock { lines in
            let line = lines[ObjectIdentifier(channel)]
            if line != nil { lines[ObjectIdentifier(channel)] = .closed }
            return line
        }
        if case .open(let onHangUp?) = line { onHangUp() }
    }

    func removed(_ channel: any Channel) {
        self.hungUp(channel)
        self.lines.withLock { $0[ObjectIdentifier(channel)] = nil }
    }

    /// Runs `body`; `onHangUp` is called at most once, meanwhile or at once, when the caller is gone.
    func watching<R>(
        _ channel: any Channel,
        onHangUp: @escaping @Sendable () -> Void,
        _ body: () async -> R
    ) async -> R {
        let isOpen = self.lines.withLock { lines in
            guard case .open? = lines[ObjectIdentifier(channel)] else { return false }
            lines[ObjectIdentifier(channel)] = .open(onHangUp: onHangUp)
            return true
        }
        if !isOpen { onHangUp() }
        let result = await body()
        self.lines.withLock { lines in
            guard case .open? = lines[ObjectIdentifier(channel)] else { return }
            lines[ObjectIdentifier(channel)] = .open(onHangUp: nil)
        }
        return result
    }
}
