"""One module for each row of the table or a group that belongs together; `ROWS` is their order."""

from __future__ import annotations

from bench.harness.row import Row
from bench.rows import api, gateway, launches, upload

ROWS: tuple[Row, ...] = (
    Row("api", api.measure),
    Row("launches", launches.measure),
    Row("gateway", gateway.answers),
    Row("sockets", gateway.sockets),
    Row("upload", upload.measure),
)
