"""MIMIC-IV: tables to admissions, the first hours of each as text, and the questions that are asked about them."""
