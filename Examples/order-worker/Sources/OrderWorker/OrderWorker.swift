import RejoinderWorker

@main
struct OrderWorker: WorkerProgram {
    let handlers = Handlers {
        Handle("order_status") { event, context in
            guard let order = event.text(of: "order_id") else { return .failure("Which order do you mean?") }
            return .success("Order \(order) is on its way.")
        }
    }
}
