// The one re-export of the package: a handler is written in the contract's terms (`WebhookEvent`, `Entity`, `Reply`), so
// `import RejoinderWorker` is all that a worker's source needs.
@_exported public import HaptikWebhook
