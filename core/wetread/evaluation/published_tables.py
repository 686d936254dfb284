"""The figures of QoQ-Med as published, to stand beside ours. Nothing here was measured by us.

Source: QoQ-Med, arXiv 2506.00711 (NeurIPS 2025), Tables 2, 4 and 5: macro-F1 and accuracy in the published definition
on CLIMB's test parts, 7B models unless said. The figures named QoQ-Med3 are claims of its README, without a paper or
a table. A figure of another test part, of a subset or of another data set may stand beside these, and compares with
them no further than that.
"""

from __future__ import annotations

from dataclasses import dataclass

DOMAINS = ("chest_xray", "mammo", "derm", "ct", "fundus", "ultrasound", "mri", "pathology")
"""CLIMB's folder names, in the order of Table 2."""


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One row: macro-F1 by domain, then overall.

    Args:
        method: as the table calls it.
        f1: by domain, in the order of `DOMAINS`; empty where only the overall figures are known.
        overall_f1: mean over domains.
        overall_accuracy: in the published definition; None where not given.
        source: the table, or "README claim".
    """

    method: str
    f1: tuple[float, ...]
    overall_f1: float
    overall_accuracy: float | None
    source: str


TABLE_2 = tuple(
    PublishedRow(method, f1, overall, accuracy, "Table 2")
    for method, f1, overall, accuracy in (
        ("SFT", (0.078, 0.056, 0.158, 0.236, 0.066, 0.235, 0.197, 0.083), 0.139, 0.602),
        ("PPO", (0.064, 0.205, 0.278, 0.257, 0.083, 0.080, 0.540, 0.364), 0.234, 0.665),
        ("ReMax", (0.120, 0.033, 0.257, 0.228, 0.089, 0.147, 0.264, 0.270), 0.176, 0.596),
        ("RE++", (0.082, 0.076, 0.237, 0.247, 0.098, 0.136, 0.420, 0.254), 0.202, 0.621),
        ("RLOO", (0.086, 0.068, 0.216, 0.224, 0.099, 0.144, 0.432, 0.216), 0.189, 0.611),
        ("GRPO", (0.095, 0.059, 0.244, 0.236, 0.086, 0.146, 0.395, 0.286), 0.193, 0.609),
        ("DRPO, domain only", (0.086, 0.213, 0.251, 0.257, 0.083, 0.098, 0.475, 0.388), 0.237, 0.668),
        ("DRPO, no KL", (0.103, 0.264, 0.382, 0.365, 0.085, 0.228, 0.535, 0.300), 0.283, 0.668),
        ("DRPO", (0.115, 0.253, 0.407, 0.309, 0.093, 0.223, 0.625, 0.265), 0.295, 0.666),
    )
)
TABLE_5 = tuple(
    PublishedRow(method, (), f1, accuracy, "Table 5")
    for method, accuracy, f1 in (
        ("QoQ-Med-7B", 0.686, 0.286),
        ("QoQ-Med-32B", 0.707, 0.316),
        ("Med-R1", 0.603, 0.013),
        ("o4-mini", 0.411, 0.394),
        ("GPT-4o", 0.385, 0.364),
    )
)
CLAIMED = (PublishedRow("QoQ-Med3 (claimed)", (), 0.349, None, "README claim, 8 domains"),)
TABLE_4 = {
    "GRPO": ((0.626, 0.105), (0.551, 0.354)),
    "DRPO, text": ((0.645, 0.195), (0.563, 0.583)),
    "DRPO, ECG and text": ((0.639, 0.204), (0.602, 0.528)),
    "DRPO, vision and text": ((0.669, 0.223), (0.596, 0.586)),
    "DRPO, all": ((0.663, 0.283), (0.642, 0.597)),
}
"""MIMIC-IV: method -> (accuracy, F1) of the length of stay, and of mortality."""
CLAIMED_MIMIC_QA = {"similarity": 0.207, "f1": 0.471}
"""README claim of QoQ-Med3: mean similarity of question types 1 and 2, mean macro-F1 of types 3, 5 and 6."""
