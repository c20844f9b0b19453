import SystemPackage

/// Where a program complains: one line for the operator.
package enum StandardError {
    package static func print(_ line: String) {
        // Nobody is left to tell when this fails.
        _ = try? FileDescriptor.standardError.writeAll((line + "\n").utf8)
    }
}

/// Where a long-running program says what others wait for: written at once, also into a file or a pipe.
package enum StandardOutput {
    package static func print(_ text: String) {
        _ = try? FileDescriptor.standardOutput.writeAll((text + "\n").utf8)
    }
}
