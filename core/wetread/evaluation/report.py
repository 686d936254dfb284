"""The evaluation report for people: one Markdown table, and below it what was not measured and why."""

from __future__ import annotations

from typing import Any

DEFINITIONS = {
    "dice": "mean over pictures (slices of volumes) whose truth is not empty of 2|A and B| / (|A| + |B|), original "
    "resolution; an abstention or no mark counts as 0",
    "volume_dice": "the same over whole volumes",
    "nsd": "normalised surface Dice (MONAI), tolerance 2 pixels, over the same pictures as Dice",
    "box_iou": "mean IoU of the finding's box and the tight box of the truth on the finding's plane, where the target "
    "is present; no box counts as 0",
    "ap50": "average precision at IoU 0.5, all-point interpolation, score = presence, equal scores enter together; "
    "objects are the instances of countable targets, else the one box",
    "instance_f1": "2 TP / (shown + there) of boxes matched one to one at IoU 0.5, counts summed over pictures",
    "presence_f1": "F1 of saying that the target is there (presence of 0.5 or more)",
    "presence_auroc": "area under the ROC curve of the presence that was said (scikit-learn); presence_ap is its "
    "average precision, presence_ece its expected calibration error over ten equal bins",
    "marked_where_absent": "share of pictures or slices with empty truth on which something was marked",
    "seconds_per_read": "mean wall-clock seconds of Reader.read, the loading of the model in the first one included",
    "interval": "95 % percentile interval, bootstrap over groups",
}

COLUMNS = (
    ("Dice", "dice"),
    ("volume Dice", "volume_dice"),
    ("NSD", "nsd"),
    ("box IoU", "box_iou"),
    ("AP50", "ap50"),
    ("F1 (boxes)", "instance_f1"),
    ("F1 (presence)", "presence_f1"),
    ("AUROC (presence)", "presence_auroc"),
    ("ECE (presence)", "presence_ece"),
    ("marked where absent", "marked_where_absent"),
    ("s / read", "seconds_per_read"),
)


def markdown(report: dict[str, Any]) -> str:
    """The report as Markdown: a row a label, value and 95 % interval in a cell."""
    data, model, labels = report["data"], report["model"], report["labels"]
    columns = [(title, key) for title, key in COLUMNS if any(key in figures for figures in labels.values())]
    titles = ["label", "items (with it)", *(title for title, _ in columns), "abstained"]
    lines = [
        f"**{model['name']}** {model['version']} on {data['folder']} ({data['split']}): {data['items']} items of "
        f"{data['groups']} groups, {report['reads']} reads",
        "",
        "| " + " | ".join(titles) + " |",
        "|" + "---|" * len(titles),
    ]
    for label, figures in labels.items():
        cells = [label, f"{figures['items']} ({figures['present']})"]
        cells += [cell(figures.get(key)) for _, key in columns]
        lines.append("| " + " | ".join([*cells, str(figures["abstained"])]) + " |")
    lines += ["", "Square brackets: 95 % interval, bootstrap over groups."]
    lines += [f"- not asked: {name}: {reason}" for name, reason in report["skipped_labels"].items()]
    lines += [f"- abstained {count} times: {reason}" for reason, count in report["abstentions"].items()]
    lines += [f"- refused: {one['item']}: {one['reason']}" for one in report["refused_items"]]
    lines += [f"- left out: {problem}" for problem in data["problems"]]
    return "\n".join(lines)


def cell(estimate: dict[str, Any] | None) -> str:
    """A value with its interval, e.g. ``0.81 [0.78, 0.84]``; a dash where there is none."""
    if estimate is None or estimate["value"] is None:
        return "–"
    if estimate["low"] is None:
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"
