"""The command line: thin, on CSV files, and quick to say what it can do.

What is heavy is imported by the command that needs it, so that ``--help`` is instant.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from latentscale import __version__

if TYPE_CHECKING:
    import pandas as pd

    from latentscale.fit import ScalingFit

_FAILED, _INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; default: those of the process.

    Returns
    -------
    int
        The exit code: 0, 2 after an error that was explained, or 130 after Ctrl-C.
    """
    arguments = _parser().parse_args(argv)
    from latentscale.errors import InterruptedWarning, LatentScaleWarning

    with warnings.catch_warnings():
        warnings.simplefilter("always", LatentScaleWarning)
        # Part of a fit is for who can look at it, not for a file in the place of a whole one.
        warnings.simplefilter("error", InterruptedWarning)
        warnings.showwarning = _show_warning
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    from latentscale.errors import InterruptedWarning, LatentScaleError

    command: Callable[[argparse.Namespace], None] = arguments.command
    try:
        command(arguments)
        sys.stdout.flush()
    except (KeyboardInterrupt, InterruptedWarning):
        _complain("stopped.")
        return _INTERRUPTED
    except BrokenPipeError:  # `| head` has read enough
        _silence_stdout()
    except (LatentScaleError, OSError) as error:
        _complain(f"error: {error}")
        return _FAILED
    return 0


def _demo(arguments: argparse.Namespace) -> None:
    from latentscale import demo

    demo.main(arguments.out, arguments.family, quick=arguments.quick, seed=arguments.seed)


def _fit(arguments: argparse.Namespace) -> None:
    _require_writable(arguments.output, "fit.nc")
    from latentscale.model import ScalingModel
    from latentscale.table import ScoreTable

    table = ScoreTable.from_long(
        _read_csv(arguments.scores),
        _read_csv(arguments.llms),
        None if arguments.benchmarks is None else _read_csv(arguments.benchmarks),
        missing=arguments.missing,
    )
    settings = ("skills", "features", "likelihood", "link", "anchors", "conditions")
    model = ScalingModel(table, **_given(arguments, *settings))
    fit = model.fit(
        **_given(arguments, "draws", "tune", "chains", "cores", "target_accept"),
        random_seed=arguments.seed,
        progressbar=not arguments.quiet,
        sampler=arguments.sampler,
    )
    path = fit.save(arguments.output)
    print(f"{fit!r}\nSaved to {path}")


def _given(arguments: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Give the arguments that were used, so that the library's defaults hold for the others."""
    values = {name: getattr(arguments, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _predict(arguments: argparse.Namespace) -> None:
    if arguments.output is not None:
        _require_writable(arguments.output, "predictions.csv")
    llms = _read_csv(arguments.llms)
    scores = None if arguments.scores is None else _read_csv(arguments.scores)
    prediction = _load(arguments.fit).predict(
        llms,
        scores,
        ci_prob=arguments.ci_prob,
        random_seed=arguments.seed,
        benchmarks=arguments.benchmarks,
    )
    text = prediction.summary.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    if arguments.output is None:
        sys.stdout.write(text)
    else:
        Path(arguments.output).write_text(text, encoding="utf-8")
        print(f"{len(prediction.summary):,} predictions written to {arguments.output}")


def _count(text: str) -> int:
    """Read a number of things to show."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 0")
    return int(text)


def _report(arguments: argparse.Namespace) -> None:
    from latentscale.report import coverage_text, family_effects_text

    fit, ci_prob = _load(arguments.fit), arguments.ci_prob
    effects = family_effects_text(fit, shown=arguments.families, ci_prob=ci_prob)
    coverage = coverage_text(fit, ci_prob=ci_prob)
    print(repr(fit), fit.diagnose().text, coverage, effects, sep="\n\n")
    if arguments.out is not None:
        _draw(fit, Path(arguments.out))


def _draw(fit: ScalingFit, folder: Path) -> None:
    from latentscale.report import draw_without_display, figures_of_fit, save_figures

    folder.mkdir(parents=True, exist_ok=True)
    draw_without_display()
    files = save_figures(figures_of_fit(fit), folder)
    print("\nWritten:", *(f"  {file}" for file in files), sep="\n")


def _load(path: str) -> ScalingFit:
    from latentscale.io import load_fit

    return load_fit(path)


def _read_csv(path: str) -> pd.DataFrame:
    """Read a CSV file, and say what is wrong with it rather than where pandas stumbled."""
    import pandas as pd

    from latentscale.errors import TableError

    try:
        return pd.read_csv(path)
    except FileNotFoundError as error:
        raise TableError(f"There is no file {path!r}. Check the path.") from error
    except pd.errors.EmptyDataError as error:
        raise TableError(
            f"{path!r} is empty. The first line of a CSV file names its columns."
        ) from error
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise TableError(
            f"{path!r} cannot be read as CSV: {str(error).strip()}. Save it as comma-separated "
            "text in UTF-8."
        ) from error
    except OSError as error:
        raise TableError(f"{path!r} cannot be read: {error.strerror or error}.") from error


def _require_writable(output: str, suggested: str) -> None:
    """Say so before minutes of work are lost to a path that nothing can be written to."""
    from latentscale.errors import SaveError

    folder = Path(output).parent
    if Path(output).is_dir():
        raise SaveError(
            f"{output!r} is a folder, so no file can be written there. Name a file in it:\n"
            f"      -o {Path(output) / suggested}"
        )
    if not folder.is_dir():
        raise SaveError(
            f"The folder {str(folder)!r} does not exist, so nothing can be written to {output!r}. "
            f"Make it first:\n      mkdir -p {folder}"
        )
    if not os.access(folder, os.W_OK):
        raise SaveError(
            f"The folder {str(folder)!r} may not be written to, so {output!r} cannot be made there."
            " Give -o another folder."
        )


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _complain(f"warning: {message}")


def _complain(text: str) -> None:
    print(f"latentscale: {text}", file=sys.stderr)


def _silence_stdout() -> None:
    """Point stdout nowhere, or Python complains once more when it closes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="latentscale",
        description="Bayesian latent-skill scaling laws: fit benchmark scores of LLMs, predict "
        "LLMs that were never evaluated.",
        epilog="Example: latentscale fit scores.csv llms.csv -o fit.nc && "
        "latentscale predict fit.nc new_llms.csv",
    )
    parser.add_argument("--version", action="version", version=f"latentscale {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_fit(commands)
    _add_predict(commands)
    _add_report(commands)
    return parser


def _add(commands: Any, command: Callable[[argparse.Namespace], None], text: str) -> Any:
    name = command.__name__.lstrip("_")
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(command=command)
    return parser


def _add_demo(commands: Any) -> None:
    parser = _add(commands, _demo, "fit the bundled leaderboard and predict a left-out family")
    parser.add_argument("--out", default="out", help="folder for the results (default: out)")
    parser.add_argument("--family", default="qwen2", help="family to leave out (default: qwen2)")
    parser.add_argument("--quick", action="store_true", help="few draws, only to see the steps")
    _add_seed(parser)


def _add_fit(commands: Any) -> None:
    parser = _add(commands, _fit, "fit a table of scores and save the posterior")
    parser.add_argument("scores", help="CSV with the columns llm, benchmark, score (a fraction)")
    parser.add_argument(
        "llms",
        help="CSV with llm, family, features (params_b, tokens_t, ...) and perhaps developer",
    )
    parser.add_argument("-o", "--output", required=True, metavar="FIT.nc", help="file to write")
    parser.add_argument("--benchmarks", metavar="CSV", help="CSV with benchmark, chance, n_items")
    parser.add_argument(
        "--missing",
        choices=("error", "keep"),
        default="error",
        help="unknown features: an error (default), or keep, and sum over what they may be",
    )
    model = parser.add_argument_group("model")
    model.add_argument("--skills", type=int, help="latent skills, 1 to 6 (default: 3)")
    model.add_argument("--features", help='formula, such as "log(params_b) * log(tokens_t)"')
    model.add_argument("--likelihood", help="normal, beta, student_t, binomial, beta_binomial")
    model.add_argument("--link", help="asymmetric (learnt for each benchmark) or logistic")
    model.add_argument("--anchors", nargs="+", metavar="BENCHMARK", help="one for each skill")
    model.add_argument(
        "--conditions",
        nargs="+",
        metavar="COLUMN",
        help="columns of the scores that say how each was evaluated",
    )
    sampling = parser.add_argument_group("sampling")
    sampling.add_argument("--draws", type=int, help="kept draws of a chain (default: 1000)")
    few = "tuning draws of a chain (default: 300; 1000 if the sampler is not nutpie)"
    sampling.add_argument("--tune", type=int, help=few)
    sampling.add_argument("--chains", type=int, help="chains (default: 4)")
    sampling.add_argument("--cores", type=int, help="chains to run at once (default: all cores)")
    sampling.add_argument(
        "--target-accept", type=float, help="acceptance rate of trajectories (default: 0.8)"
    )
    sampling.add_argument("--sampler", default="nutpie", help="nutpie, pymc, numpyro, blackjax")
    sampling.add_argument("--quiet", action="store_true", help="no progress bar")
    _add_seed(sampling)


def _add_predict(commands: Any) -> None:
    parser = _add(commands, _predict, "predict the scores of LLMs from a saved fit, as CSV")
    parser.add_argument("fit", metavar="FIT.nc", help="what `latentscale fit` saved")
    parser.add_argument("llms", help="CSV with llm, family and the features of the fit")
    parser.add_argument("--scores", metavar="CSV", help="known scores of these LLMs")
    parser.add_argument("--benchmarks", nargs="+", help="what to predict (default: all)")
    parser.add_argument("-o", "--output", metavar="CSV", help="file to write (default: stdout)")
    _add_ci_prob(parser)
    _add_seed(parser)


def _add_report(commands: Any) -> None:
    parser = _add(commands, _report, "report on a saved fit: health, coverage, family effects")
    parser.add_argument("fit", metavar="FIT.nc", help="what `latentscale fit` saved")
    parser.add_argument("--out", metavar="FOLDER", help="also draw figures, into this folder")
    parser.add_argument(
        "--families", type=_count, default=5, help="families at either end of a skill (default: 5)"
    )
    _add_ci_prob(parser)


def _add_ci_prob(parser: Any) -> None:
    parser.add_argument(
        "--ci-prob", type=float, default=0.9, help="probability of the intervals (default: 0.9)"
    )


def _add_seed(parser: Any) -> None:
    parser.add_argument("--seed", type=int, default=1, help="same seed, same draws (default: 1)")


if __name__ == "__main__":
    sys.exit(main())
