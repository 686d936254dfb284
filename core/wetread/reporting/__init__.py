"""Read and verdicts to SEG, SR, pictures and JSON, and the semantic verifier."""
