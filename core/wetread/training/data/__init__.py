"""Data sets for training and measuring: CLIMB, MIMIC-IV, triplets, manifests and the ledger, as `TrainingItem`s."""
