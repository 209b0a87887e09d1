"""Plan execution and the two front doors: the gRPC plugin and the dynamic provider."""
