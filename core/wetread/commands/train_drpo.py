"""`wetread train drpo`: one run, or a comparison of seeds and methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Train, and say where the model is and what it gained."""

    def say(line: str) -> None:
        print(line, flush=True)

    if options.seeds or options.compare:
        from wetread.training.drpo_compare import compare

        summary = compare(options.config, options.seeds or [0], options.compare or ["drpo"], say, quiet=True)
        for method, gains in summary["gains"].items():
            say(f"{method}: held-out reward {gains['sampled']:+.0%} sampled, {gains['greedy']:+.0%} greedy")
        say(f"Table and plot are in {summary['config']['output']}")
        return 0
    from wetread.training.drpo_run import run as train

    result = train(options.config, say, quiet=options.quiet)
    if "held_out" in result:
        before, after = result["held_out"]["before"]["sampled"], result["held_out"]["after"]["sampled"]
        say(f"Held-out reward {before['reward']:.3f} -> {after['reward']:.3f} (sampled); the run folder holds the rest")
    return 0
