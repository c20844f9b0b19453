#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Keeps two starts of one cluster apart; the system lifts it when the process has died, and the programs that hold it
/// with it have ended.
struct StartLock: Sendable {
    let descriptor: CInt

    /// - Throws: `.startUnderWay` when another holds it.
    init(_ folder: ClusterFolder) throws(LocalPostgresError) {
        descriptor = open(folder.path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ClusterFolder.failure(folder.path) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw .startUnderWay(directory: folder.path)
        }
    }

    /// Unlocks before it closes: a child that another thread is just forking has a copy of the descriptor for a moment.
    func release() {
        _ = flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
