"""The rows of the table: a module for each row or related group; `ROWS` is their order."""

from __future__ import annotations

from bench.harness.row import Row
from bench.rows import (
    activity,
    api,
    building,
    gateway,
    growth,
    launches,
    lists,
    livelog,
    starting,
    upload,
    warm,
)

ROWS: tuple[Row, ...] = (
    Row("api", api.measure),
    Row("launches", launches.measure),
    Row("warm", warm.measure),
    Row("log", livelog.measure),
    Row("gateway", gateway.answers),
    Row("sockets", gateway.sockets),
    Row("upload", upload.measure),
    Row("activity", activity.measure),
    Row("lists", lists.measure),
    Row("start", starting.measure),
    Row("memory", starting.after),
    Row("build", building.measure),
    Row("growth", growth.measure),
)
