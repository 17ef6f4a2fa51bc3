# SPDX-License-Identifier: Apache-2.0
"""The rows of results.json: written after each row, so that an interrupted run keeps what it has and goes on from there."""
import json
import os
from pathlib import Path
from typing import Any

Row = dict[str, Any]
KEY = ("model", "type", "threads", "work", "engine")


class Results:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.content: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"rows": []}

    @property
    def rows(self) -> list[Row]:
        return self.content["rows"]

    def describe(self, **facts: Any) -> None:
        self.content.update(facts)
        self.save()

    def find(self, *key: object) -> Row | None:
        return next((row for row in self.rows if tuple(row[name] for name in KEY) == key), None)

    def stands(self, *key: object) -> bool:
        """Is there a row that was measured?"""
        row = self.find(*key)
        return row is not None and row["status"] == "ok"

    def put(self, row: Row) -> None:
        """Replaces the row of the same key. A row that failed does not replace one that was measured."""
        old = self.find(*(row[name] for name in KEY))
        if old is not None:
            if old["status"] == "ok" and row["status"] != "ok":
                return
            self.rows.remove(old)
        self.rows.append(row)
        self.save()

    def save(self) -> None:
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.content, indent=1) + "\n")
        os.replace(part, self.file)
