import AsyncHTTPClient
import Doctor
import NIOCore
import NIOPosix
import RejoinderIngress
import RejoinderMetrics
import Settings

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Whether the ingress can listen where it is told to, or an ingress does already.
struct PortCheck {
    private static let name = "ports"

    let http: (host: String, port: Int)
    let admin: (host: String, port: Int)

    init(http: (host: String, port: Int), admin: (host: String, port: Int)) {
        self.http = http
        self.admin = admin
    }

    init(_ options: IngressOptions) {
        self.init(http: (options.host, options.port), admin: (options.adminHost, options.adminPort))
    }

    func findings() async -> [Finding] {
        let errors = [await self.error(self.http), await self.error(self.admin)]
        if errors == [nil, nil] { return [Finding(Self.name, .ok, "both are free")] }
        // A port that is not for this user may well be another's, whose ingress listens there.
        let areTaken = errors.allSatisfy { $0 == EADDRINUSE || $0 == EACCES }
        if areTaken, await self.isIngress() { return [Finding(Self.name, .ok, "an ingress listens there")] }
        return zip([self.http, self.admin], errors).compactMap { place, error in
            error.map { Self.finding(place, $0) }
        }
    }

    /// Why an ingress that was to listen there could not, in one line; nil where it is not that.
    func explanation(of failure: any Error) async -> String? {
        guard failure is IOError || failure is SocketAddressError.UnknownHost else { return nil }
        for (place, host, port) in [
            (self.http, IngressSettings.httpHost, IngressSettings.httpPort),
            (self.admin, IngressSettings.adminHost, IngressSettings.adminPort),
        ] {
            guard let error = await self.error(place) else { continue }
            guard error == EADDRINUSE || error == EACCES else {
                return
                    "\(place.host) is no address of this machine, choose another: \(host.option) or \(host.variable)"
            }
            let reason = error == EADDRINUSE ? "is in use" : "is not for this user"
            return "port \(place.host):\(place.port) \(reason), choose another: \(port.option) or \(port.variable)"
        }
        return nil
    }

    private static func finding(_ place: (host: String, port: Int), _ error: CInt) -> Finding {
        let title = "\(place.host):\(place.port)"
        switch error {
        case EADDRINUSE:
            let remedy = "ss -ltnp 'sport = :\(place.port)' # end that program, or choose another port"
            let text = "port \(title) is in use, and not by an ingress that has both"
            return Finding(self.name, .broken, text, remedy: remedy)
        case EACCES:
            let remedy = "sysctl net.ipv4.ip_unprivileged_port_start=\(place.port)"
            return Finding(self.name, .broken, "this user may not listen on \(title)", remedy: remedy)
        default:
            let remedy = "ip -brief address # listen on one of these, or on 0.0.0.0"
            return Finding(self.name, .broken, "nobody can listen on \(title) here", remedy: remedy)
        }
    }

    /// Why one can't listen there; nil where one can.
    private func error(_ place: (host: String, port: Int)) async -> CInt? {
        do {
            let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            try await bootstrap.bind(host: place.host, port: place.port).get().close()
            return nil
        } catch {
            return (error as? IOError)?.errnoCode ?? EADDRNOTAVAIL
        }
    }

    /// Whether the private port is an ingress's, as its metrics tell: a worker's is alive too.
    private func isIngress() async -> Bool {
        let host =
            switch self.admin.host {
            case "0.0.0.0": "127.0.0.1"
            case "::": "[::1]"
            case let address where address.contains(":"): "[\(address)]"
            case let host: host
            }
        let request = HTTPClientRequest(url: "http://\(host):\(self.admin.port)/metrics")
        guard let response = try? await HTTPClient.shared.execute(request, timeout: .seconds(2)),
            let body = try? await response.body.collect(upTo: 16 << 20)
        else { return false }
        return String(buffer: body).split(whereSeparator: \.isNewline).contains { line in
            line.hasPrefix("\(Metric.buildInfo.name){") && line.contains(#"role="ingress""#)
        }
    }
}
