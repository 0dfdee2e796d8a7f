"""One graph, many points: `compile`, `vectorize`."""
