import ArgumentParser
import HaptikWebhook
import Logging
import RejoinderIngress
import ServiceLifecycle
import Settings
import UnixSignals

/// The ingress without its queue: reads, verifies and answers inline.
struct HTTPFloorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "http-floor", shouldDisplay: false)

    func run() async throws {
        OpenFiles.allowAsManyAsPossible()
        let endpoint = Endpoint(
            path: SampleCall.path,
            verifier: try SignatureVerifier(secrets: [SampleCall.secret]),
            deadline: .seconds(29),
            fallback: nil
        )
        var options = IngressOptions(endpoints: [endpoint])
        options.port = 0
        options.adminPort = 0
        let logger = Logger.program("http-floor", level: .info)
        let ingress = Ingress(options: options, queue: InlineQueue(), logger: logger) { port, adminPort in
            logger.info("listening", metadata: ["port": "\(port)", "admin.port": "\(adminPort)"])
        }
        let group = ServiceGroup(
            services: try ingress.services(),
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        try await group.run()
    }
}
