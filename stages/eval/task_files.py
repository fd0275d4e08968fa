"""Tasks from LexEval and JEC-QA files."""

from pathlib import Path

from stages._worker.data.task_items import FileForm, Item, read_items, task_paths
from stages.eval.task import Task, scoring_of


def load_tasks(
    folder: Path, form: FileForm, *, only: list[str], limit: int | None, few_shot: Path | None
) -> list[Task]:
    """Tasks of a folder, one a file `<task>.json` or `.jsonl` (JSON lines or one array), in order of name.

    `only` names tasks to take (all when empty), `limit` takes the first items of each.
    """
    return [
        Task(
            id=name,
            form=form,
            scoring=scoring_of(form, name),
            items=tuple(read_items(path, form)[:limit]),
            examples=tuple(_examples(few_shot, name, form)),
        )
        for name, path in task_paths(folder, form, only=only).items()
    ]


def _examples(folder: Path | None, name: str, form: FileForm) -> list[Item]:
    if folder is None:
        return []
    found = [folder / f"{name}{suffix}" for suffix in (".jsonl", ".json")]
    return next((read_items(path, form) for path in found if path.is_file()), [])
