#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The process's limit of open files: each connection is one.
package enum OpenFiles {
    /// Raises the soft limit, often 1024, to the hard one.
    package static func allowAsManyAsPossible() {
        #if os(Linux)
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
        let resource = RLIMIT_NOFILE
        #endif
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        // What can't be raised stays as it was; the connections' own limit still holds.
        _ = setrlimit(resource, &limit)
    }
}
