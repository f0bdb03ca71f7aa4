"""The command line: ``entropylab`` or ``python -m entropylab``.

Imports of anything heavy stand inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, NoReturn

import typer

app = typer.Typer(
    name="entropylab",
    help="Entropy of language models: score a corpus, what runs here, the models, benchmarks, training.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, for example english-s.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default training/RECIPE.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the folder's checkpoint, or start anew.")] = True,
) -> None:
    """Train a model of the zoo from its recipe. Stop it at any time: the next call goes on.

    \f
    Parameters
    ----------
    recipe : str
        A name of ``entropylab.models.training.recipe_names()``.
    out : Path, optional
        Folder of the run.
    resume : bool
        Go on from the last checkpoint.
    """
    from entropylab.models import training

    names = training.recipe_names()
    if recipe not in names:
        near = difflib.get_close_matches(recipe, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        _fail(f"There is no recipe {recipe!r}.{hint} There are: {', '.join(names)}.")
    run = out or Path("training") / recipe
    if not resume and run.exists():
        typer.confirm(f"Remove {run} and start anew?", abort=True)
    try:
        folder = training.train(recipe, out, resume)
    except KeyboardInterrupt:
        _fail("Stopped. The same command goes on from the last checkpoint.", status=130)
    except (RuntimeError, OSError) as error:
        _fail(str(error))
    typer.echo(f"The model is in {folder}")


@app.command()
def bench(
    device: Annotated[
        str,
        typer.Option(help="cpu or cuda; ptx: what the compiler makes of the CUDA kernels, without a GPU."),
    ] = "cpu",
    out: Annotated[
        Path | None, typer.Option(help="File to write; default results/benchmarks/DEVICE.json.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, for a first look.")] = False,
    sweep: Annotated[
        bool,
        typer.Option("--sweep", help="Time per byte over sizes and threads (cpu); status 1 after an alarm."),
    ] = False,
) -> None:
    """Time the kernels beside torch and transformers, on the same data in one process.

    \f
    Parameters
    ----------
    device : str
        ``"cpu"``, ``"cuda"`` or ``"ptx"``.
    out : Path, optional
        The JSON file to write.
    quick : bool
        Small sizes.
    sweep : bool
        Sweep over sizes and threads instead, on the CPU: ``results/benchmarks/cpu_sweep.json``.
    """
    from entropylab import bench as benchmarks

    if sweep and device != "cpu":
        _fail(f"--sweep: got --device {device}, allowed is cpu")
    if sweep:
        report = benchmarks.run_sweep(out=out, quick=quick)
        raise typer.Exit(1 if report["alarms"] else 0)
    try:
        if device == "ptx":
            benchmarks.run_ptx(out=out, quick=quick)
        else:
            benchmarks.run(device=device, out=out, quick=quick)
    except (ValueError, RuntimeError) as error:
        _fail(str(error))


@app.command()
def backend() -> None:
    """Say in one line which kernels run, and why."""
    import entropylab

    typer.echo(entropylab.backend())


@app.command()
def models() -> None:
    """List the models that come with the package."""
    from entropylab.models import list_models

    for name in list_models():
        typer.echo(name)


@app.command()
def score(
    corpus: Annotated[
        str,
        typer.Argument(help="A file, a folder or a quoted pattern: .jsonl, .jsonl.gz, .parquet, .txt."),
    ],
    model: Annotated[str, typer.Option(help="A model of the zoo, of the Hugging Face hub, or a folder.")],
    out: Annotated[Path, typer.Option(help="Folder for the tables. The same command goes on in it.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub model.")] = None,
    text_column: Annotated[str, typer.Option(help="Field that holds the text.")] = "text",
    id_column: Annotated[str | None, typer.Option(help="Field that names a document.")] = None,
    tokens: Annotated[bool, typer.Option(help="Write a row for each token.")] = True,
    top_k: Annotated[int, typer.Option(help="K of the truncated entropies; 0 for none.")] = 15,
    concentration: Annotated[bool, typer.Option(help="Test each document: did the model write it?")] = True,
    alpha: Annotated[float, typer.Option(help="Level of that test, for each document.")] = 0.05,
    context: Annotated[int | None, typer.Option(help="Tokens that the model sees at once.")] = None,
    stride: Annotated[
        int | None, typer.Option(help="Tokens that each further window scores; default half the context.")
    ] = None,
    batch_tokens: Annotated[
        int | None, typer.Option(help="Tokens in a forward pass; default by device and vocabulary.")
    ] = None,
    shard_documents: Annotated[int, typer.Option(help="Records in a shard, at most.")] = 1000,
    shard_bytes: Annotated[
        int, typer.Option(help="Bytes of input after which a shard is closed.")
    ] = 8_000_000,
    device: Annotated[str, typer.Option(help="cpu, cuda or another torch device.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    engine: Annotated[str, typer.Option(help="local: this process; ray: a Ray cluster.")] = "local",
    workers: Annotated[int | None, typer.Option(help="Processes, with --engine ray.")] = None,
    threads: Annotated[int | None, typer.Option(help="Torch threads of a process.")] = None,
    progress: Annotated[bool, typer.Option(help="Show a bar, on a terminal.")] = True,
) -> None:
    """Score every document of a corpus. Stop it at any time: the same command goes on.

    \f
    Parameters
    ----------
    corpus : str
        A file, a folder or a pattern.
    model, revision, text_column, id_column, tokens, top_k, concentration, alpha, context, stride, batch_tokens,
    shard_documents, shard_bytes, device, dtype
        As in :class:`entropylab.scoring.Settings`.
    out, engine, workers, threads, progress
        As for :func:`entropylab.scoring.score_corpus`.
    """
    from entropylab.scoring import Settings, score_corpus

    try:
        settings = Settings(
            model=model,
            revision=revision,
            text_column=text_column,
            id_column=id_column,
            context=context,
            stride=stride,
            batch_tokens=batch_tokens,
            top_k=top_k,
            concentration=concentration,
            alpha=alpha,
            tokens=tokens,
            shard_documents=shard_documents,
            shard_bytes=shard_bytes,
            device=device,
            dtype=dtype,
        )
        summary = score_corpus(
            corpus, out, settings, engine=engine, workers=workers, threads=threads, progress=progress
        )
    except KeyboardInterrupt:
        _fail("Stopped. The same command goes on with the first shard that is not done.", status=130)
    except (ValueError, RuntimeError, OSError) as error:
        _fail(str(error))
    typer.echo(summary)
    if summary.rejected:
        typer.echo(f"What was rejected, and why: {out / 'rejected.jsonl'}")
    if summary.rejected and not summary.documents:
        _fail("No document could be scored.", status=1)


@app.command()
def doctor() -> None:
    """Say what is installed, what runs where and why, and what to do about what is missing."""
    from entropylab.doctor import examine, report

    broken = False
    for finding in examine():
        typer.echo(report(finding))
        broken |= finding.broken
    if broken:
        _fail("Something that the package needs is broken.", status=1)


def _fail(message: str, status: int = 2) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(status)
