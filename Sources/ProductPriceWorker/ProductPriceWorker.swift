import RejoinderWorker

/// The sample of Haptik's integration page, as a worker: tells the price of a product, whatever the node is called.
@main
struct ProductPriceWorker: WorkerProgram {
    let handlers = Handlers {
        Handle.anyNode { event, _ in
            switch event.entities["product_name"]?.first?.text {
            case "speaker": .success("The Wireless Radio Alarm Clock Speaker can be yours only for Rs.1599")
            case "powerbank": .success("The Ambrane Powerbank can be yours only for Rs.1799")
            default: .refuse("no such product")
            }
        }
    }
}
