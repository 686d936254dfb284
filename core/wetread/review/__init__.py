"""What people decided: verdicts, and the ledger that keeps them beside the reads they are about."""
