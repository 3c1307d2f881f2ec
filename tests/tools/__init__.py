"""Other people's tools, given the published documents: linters, generators, validators, a mock and a fuzzer."""
