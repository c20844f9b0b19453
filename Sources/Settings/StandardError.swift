import SystemPackage

/// Where a program complains: one line for the operator.
package enum StandardError {
    package static func print(_ line: String) {
        // Nobody is left to tell when this fails.
        _ = try? FileDescriptor.standardError.writeAll((line + "\n").utf8)
    }
}
