/// The version of Rejoinder, as `--version` and the queue's views show it.
package enum Version {
    package static let current = "0.1.0"
}
