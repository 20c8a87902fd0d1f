"""What is noted of an installation, and when: before, so that files are known as ours wherever it ends; and after."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from esperctl.service.record import Record, content_of, fingerprint
from esperctl.service.scope import Scope
from esperctl.service.shipped import File
from esperctl.service.steps import Leave, RemoveFile, Step, WriteFile, WriteRecord


def noted(scope: Scope, before: Record, files: Sequence[File], steps: Sequence[Step]) -> Iterator[Step]:
    """The steps with those around them that note what they do.

    Args:
        scope: Whose record it is.
        before: What is noted now.
        files: What an installation consists of.
        steps: What is done about each of *files*, in their order, then what else is done to files.

    Raises:
        FailedError: a file can't be read.
    """
    ours = _files(before, files, steps)
    folders = _folders(before, [scope.record, *(file.path for file in files)])
    replaced = _replaced(before, steps)
    removed = {str(step.path) for step in steps if isinstance(step, RemoveFile)}
    to_remove = {name: known for name, known in before.files.items() if name in removed}
    meanwhile = Record(files={**ours, **to_remove}, replaced=replaced, folders=folders)
    after = Record(files=ours, folders=folders)
    if meanwhile != before:
        yield WriteRecord(scope.record, meanwhile, "notes what is written, for `esperctl service uninstall`")
    else:
        yield Leave(str(scope.record), "nothing new to note", "unchanged")
    yield from steps
    if after != meanwhile:
        yield WriteRecord(scope.record, after, "notes that all of it is written")


def _files(before: Record, files: Sequence[File], steps: Sequence[Step]) -> dict[str, str]:
    ours: dict[str, str] = {}
    for file, step in zip(files, steps, strict=False):
        name = str(file.path)
        if isinstance(step, WriteFile) or (isinstance(step, Leave) and step.state == "unchanged"):
            ours[name] = fingerprint(file.content)
        elif name in before.files:
            ours[name] = before.files[name]
    return ours


def _replaced(before: Record, steps: Sequence[Step]) -> dict[str, str]:
    """How files of ours are now that are changed; what somebody made of one is not ours, also where it is forced."""
    replaced: dict[str, str] = {}
    for step in steps:
        if isinstance(step, WriteFile | RemoveFile):
            there = content_of(step.path)
            if there is not None and before.has_written(str(step.path), there):
                replaced[str(step.path)] = fingerprint(there)
    return replaced


def _folders(before: Record, paths: Sequence[Path]) -> list[str]:
    return sorted({*before.folders, *(str(folder) for path in paths for folder in _our_folders(path))})


def _our_folders(path: Path) -> Iterator[Path]:
    """Those that are made for the file, and those that can have been made for nothing else."""
    for folder in path.parents:
        if not folder.exists() or folder.name.startswith("esperd"):
            yield folder
