// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "order-worker",
    platforms: [.macOS(.v15)],
    products: [.executable(name: "order-worker", targets: ["OrderWorker"])],
    dependencies: [.package(name: "rejoinder", path: "../..")],
    targets: [
        .executableTarget(
            name: "OrderWorker",
            dependencies: [.product(name: "RejoinderWorker", package: "rejoinder")]
        ),
        .testTarget(
            name: "OrderWorkerTests",
            dependencies: ["OrderWorker", .product(name: "RejoinderTesting", package: "rejoinder")]
        ),
    ]
)
