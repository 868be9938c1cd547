"""The parameters of a request, one module for each theme. `GenerationRequest` is all of them together."""
