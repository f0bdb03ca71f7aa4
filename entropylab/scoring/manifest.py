"""The manifest: what the folder of a run holds, so that a run that goes on is the run that was begun."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

import entropylab
from entropylab.files import atomic_write
from entropylab.scoring.corpus import Shard, Source
from entropylab.scoring.settings import Settings

NAME = "manifest.json"
FORMAT = 1


def weights_fingerprint(model: PreTrainedModel) -> str:
    """SHA-256 of a model's weights as they were loaded: names, shapes, dtypes and numbers, in order of the names.

    Parameters
    ----------
    model : PreTrainedModel

    Returns
    -------
    str
        Hexadecimal. It does not depend on the device.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype};".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(memoryview(flat.view(torch.uint8).numpy()))
    return digest.hexdigest()


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 of what a tokenizer does: its definition, or its vocabulary where it has no such file.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase

    Returns
    -------
    str
        Hexadecimal.
    """
    if tokenizer.is_fast:
        # Called alone: calls with truncation or padding leave their traces in the definition.
        definition = json.loads(tokenizer.backend_tokenizer.to_str())
        text = json.dumps({k: v for k, v in definition.items() if k not in ("truncation", "padding")})
    else:
        text = type(tokenizer).__name__ + json.dumps(tokenizer.get_vocab(), sort_keys=True)
    return hashlib.sha256(f"{tokenizer.bos_token_id} {text}".encode()).hexdigest()


def describe_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: Settings
) -> dict[str, Any]:
    """What the manifest says of the model.

    Parameters
    ----------
    model, tokenizer
        As they were loaded.
    settings : Settings

    Returns
    -------
    dict
        Name, revision (of a hub model the commit, where it is known), and the two fingerprints.
    """
    return {
        "name": settings.model,
        "revision": getattr(model.config, "_commit_hash", None) or settings.revision,
        "weights_sha256": weights_fingerprint(model),
        "tokenizer_sha256": tokenizer_fingerprint(tokenizer),
    }


def make_manifest(
    model: dict[str, Any], settings: dict[str, Any], sources: list[Source], shards: list[Shard]
) -> dict[str, Any]:
    """Everything that decides the numbers, and beside it what is good to know.

    Parameters
    ----------
    model : dict
        Of :func:`describe_model`.
    settings : dict
        With the defaults filled in.
    sources : list of Source
    shards : list of Shard

    Returns
    -------
    dict
    """
    return {
        "format": FORMAT,
        "entropylab": entropylab.__version__,
        "model": model,
        "settings": settings,
        "input": {
            "records": sum(shard.records for shard in shards),
            "files": [{"name": s.name, "bytes": s.bytes, "sha256": s.sha256} for s in sources],
        },
        "shards": len(shards),
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: metadata.version(name) for name in ("torch", "transformers", "numpy", "pyarrow")},
    }


def begin_or_resume(out: Path, manifest: dict[str, Any]) -> bool:
    """Write the manifest into a new folder, or compare it with the one that is there.

    Parameters
    ----------
    out : Path
    manifest : dict

    Returns
    -------
    bool
        Whether the run goes on.

    Raises
    ------
    ValueError
        If the folder holds something else, or a run that was begun in another way; the message says what differs.
    """
    path = out / NAME
    if not path.exists():
        # What the system hides, and a manifest that was being written, do not count.
        if out.exists() and any(not entry.name.startswith(".") for entry in out.iterdir()):
            raise ValueError(f"out: {out} has files in it and no {NAME}; choose a new or an empty folder")
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        return False
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"out: {path} is not a manifest ({error})") from error
    differences = list(_differences(before, manifest))
    if differences:
        raise ValueError(
            f"out: the run in {out} was begun otherwise: {'; '.join(differences)}. Ask for the same again to go on, "
            "or choose another folder"
        )
    return True


def _differences(before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    for name in ("format", "entropylab"):
        if before.get(name) != now[name]:
            yield f"{name} was {before.get(name)!r} and is {now[name]!r}"
    for part in ("model", "settings"):
        old = before.get(part, {})
        for name, value in now[part].items():
            if old.get(name) != value:
                yield f"{name} was {old.get(name)!r} and is {value!r}"
    old_files = {file["name"]: file for file in before.get("input", {}).get("files", [])}
    new_files = {file["name"]: file for file in now["input"]["files"]}
    if list(old_files.items()) != list(new_files.items()):
        changed = [
            name for name in old_files.keys() | new_files.keys() if old_files.get(name) != new_files.get(name)
        ]
        yield f"the input differs in {len(changed)} files, such as {min(changed)}"
