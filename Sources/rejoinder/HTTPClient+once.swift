import AsyncHTTPClient
import LoadGenerator
import NIOCore

extension HTTPClient {
    /// For a single call that somebody waits for.
    ///
    /// A failed connection is said at once: the shared client would try again until the call's time is up.
    static let once: HTTPClient = {
        var configuration = HTTPClient.Configuration.singletonConfiguration
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout.connect = .seconds(10)
        return HTTPClient(configuration: configuration)
    }()

    /// Why a call failed, in a person's words.
    static func reason(of error: any Error) -> String {
        guard let error = error as? HTTPClientError else { return LoadError.reason(of: error) }
        switch error {
        case .connectTimeout: return LoadError.reason(of: ChannelError.connectTimeout(.seconds(10)))
        case .remoteConnectionClosed: return LoadError.reason(of: ChannelError.eof)
        case .deadlineExceeded, .cancelled: return "there was no answer in time"
        default: return error.shortDescription
        }
    }
}
