"""The backbone, the grounding head, prompts, answers and checkpoints."""
