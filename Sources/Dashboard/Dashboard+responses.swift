import HTTPTypes
import Hummingbird

extension Dashboard {
    /// A whole page.
    func page(
        _ name: String,
        _ values: Any,
        status: HTTPResponse.Status = .ok,
        headers: HTTPFields = HTTPFields()
    ) -> Response {
        var fields = self.protection
        fields[.contentType] = "text/html; charset=utf-8"
        fields.append(contentsOf: headers)
        let text = self.pages.render(name, values)
        return Response(status: status, headers: fields, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    /// A page that says one thing.
    func message(
        _ status: HTTPResponse.Status,
        _ heading: String,
        _ text: String,
        _ visitor: Visitor,
        command: String? = nil,
        back: String = "/"
    ) -> Response {
        struct Values {
            let frame: Frame
            let heading: String
            let text: String
            let command: String?
            let back: String
        }
        let values = Values(frame: Frame(visitor), heading: heading, text: text, command: command, back: back)
        return self.page("message", values, status: status)
    }

    func redirect(to path: String, headers: HTTPFields = HTTPFields()) -> Response {
        var fields = self.protection
        fields[.location] = path
        fields.append(contentsOf: headers)
        return Response(status: .seeOther, headers: fields)
    }

    /// What each response has, so that no other site can show, read or keep it.
    ///
    /// The referrer is kept from other sites, but not from us: with none at all a browser hides the origin of forms.
    var protection: HTTPFields {
        [
            .contentSecurityPolicy: self.pages.contentSecurityPolicy,
            .frameOptions: "DENY",
            .referrerPolicy: "same-origin",
            .xContentTypeOptions: "nosniff",
            .crossOriginOpenerPolicy: "same-origin",
            .crossOriginResourcePolicy: "same-origin",
            .cacheControl: "no-store",
        ]
    }
}
