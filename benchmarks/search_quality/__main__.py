"""What does a search find for its epochs, beside what people would use instead?

    make benchmark-search QUICK=1                                     two minutes: two seeds, no LCBench
    make benchmark-search LCBENCH=DIR CURVES=FILE.jsonl               about 40 minutes on 2 cores
    python -m benchmarks.search_quality --rows ROWS.jsonl --lcbench DIR

Replays recorded learning curves, the LCBench surrogate and made-up landscapes through the ledger, the samplers and the
pruners of a real search, in virtual time (`simulate.py`); nothing is trained, and no Ray. The surrogate is the folder
`lcbench` of https://github.com/slds-lmu/yahpo_data, read with the package onnxruntime. Peers with packages of their own
are replayed in an environment of their own into the same file of rows, see `peers/requirements.txt`; a report has
whoever is in the file.
"""

import argparse
from pathlib import Path

from benchmarks.search_quality import replay
from benchmarks.search_quality.report import read_rows, write_report

__all__: list[str] = []

_HERE = Path(__file__).parent
_TABLES = sorted((_HERE / "tables").glob("*.jsonl"))
_CONTENDERS = ("default", "tpe+asha", "tpe", "random", "random+asha", "random+late")
_LANDSCAPES = ("equal", "best-is-slow", "worst-is-fast", "crossing", "noise", "options")


def main() -> None:
    """Replays what is not in the file of rows yet, and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two seeds; no LCBench")
    parser.add_argument("--lcbench", type=Path, help="folder of the LCBench surrogate")
    parser.add_argument("--curves", nargs="*", type=Path, default=[], help="further files of recorded curves")
    parser.add_argument("--rows", type=Path, default=Path("search_quality.jsonl"), help="one line a search")
    parser.add_argument("--report", type=Path, help="Markdown; by default beside the rows")
    args = parser.parse_args()
    seeds = ["--seeds", "2" if args.quick else "10"]
    everybody = [str(args.rows), "--contenders", *_CONTENDERS]
    replay.main(
        [*everybody, *seeds, "--curves", *map(str, [*_TABLES, *args.curves]), "--budgets", "5", "10", "20", "40"]
    )
    replay.main([*everybody, *seeds, "--synthetic", *_LANDSCAPES])
    if args.lcbench is not None and not args.quick:
        folder = ["--lcbench", str(args.lcbench), "--instances", "report"]
        replay.main([*everybody, *seeds, *folder])
        replay.main([str(args.rows), "--contenders", "default", *seeds, *folder, "--slots", "1", "8", "64"])
    report = args.report or args.rows.with_suffix(".md")
    write_report(read_rows([args.rows]), report)
    print(report)


if __name__ == "__main__":
    main()
