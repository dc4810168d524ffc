"""Small applications of frameworks that people use; ``docs/apps.md`` says how they start."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from tests.browser.test_journey import NOTEBOOK
from tests.stack import PROJECT

PROXY = "jupyter-server-proxy==4.6.0\n"
DOCUMENTED = (PROJECT / "docs/apps.md").read_text()


@dataclass(frozen=True)
class Application:
    """A repository with an application. ``path`` is where a browser opens it; ``port`` is 0 for
    one that Jupyter's server itself serves.
    """

    name: str
    requirements: str
    files: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    @property
    def repository(self) -> dict[str, str]:
        return {"requirements.txt": self.requirements + PROXY, **self.files}

    @property
    def documented(self) -> tuple[str, str]:
        """The command that starts it, "" if none is needed, and the path to open."""
        row = re.search(rf"^\| {self.name} \| (.*) \| `([^`]+)` \|$", DOCUMENTED, re.MULTILINE)
        assert row, f"docs/apps.md has no row for {self.name}"
        command = re.match(r"`([^`]+)`", row[1])
        return command[1] if command else "", row[2]


FASTAPI = Application(
    "FastAPI",
    "fastapi==0.165.0\nuvicorn==0.54.0\npython-multipart==0.0.34\nwebsockets==17.4\n"
    "fastapi-offline==1.7.7\n",
    {
        "main.py": """
import asyncio
from typing import Annotated

from fastapi import Depends, Request, Response, UploadFile, WebSocket
from fastapi.responses import RedirectResponse, StreamingResponse
from fastapi.security import (
    HTTPBasic, HTTPBasicCredentials, OAuth2PasswordBearer, OAuth2PasswordRequestForm,
)
from fastapi_offline import FastAPIOffline

app = FastAPIOffline()
bearer = OAuth2PasswordBearer(tokenUrl="token")
basic = HTTPBasic()


@app.post("/token")
def token(form: Annotated[OAuth2PasswordRequestForm, Depends()]):
    return {"access_token": f"key-of-{form.username}", "token_type": "bearer"}


@app.get("/me")
def me(key: Annotated[str, Depends(bearer)]):
    return {"key": key}


@app.get("/basic")
def by_password(who: Annotated[HTTPBasicCredentials, Depends(basic)]):
    return {"user": who.username, "password": who.password}


@app.get("/verify")
def verify(token: str):
    return {"token": token}


@app.api_route("/seen/", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def seen(request: Request):
    size = len(await request.body())
    found = {"method": request.method, "url": str(request.url), "size": size}
    return found | {"headers": dict(request.headers)}


@app.post("/files")
async def files(file: UploadFile):
    return {"size": len(await file.read())}


@app.get("/download")
def download(size: int):
    return Response(b"x" * size)


@app.get("/inside")
def inside():
    return RedirectResponse("http://127.0.0.1:8000/seen/?from=inside")


@app.get("/root")
def root():
    return RedirectResponse("/proxy/8000/seen/?from=root")


@app.get("/cookies")
def cookies(response: Response):
    response.set_cookie("theme", "dark", path="/proxy/8000/")
    response.set_cookie("wide", "1", domain="notebooks.example.net")
    response.set_cookie("__Host-own", "1", secure=True, path="/")
    for number in range(3):
        response.set_cookie(f"large{number}", "x" * 3500)
    return {}


@app.get("/stream")
async def stream():
    async def numbers():
        for number in range(3):
            yield f"data: {number}\\n\\n"
            await asyncio.sleep(0.2)
        await asyncio.sleep(20)

    return StreamingResponse(numbers(), media_type="text/event-stream")


@app.websocket("/ws")
async def ws(socket: WebSocket):
    offered = socket.headers["sec-websocket-protocol"].replace(" ", "").split(",")
    await socket.accept(subprotocol=offered[0])
    await socket.send_json({"url": str(socket.url), "offered": offered})
    while True:
        await socket.send_text(str(len(await socket.receive_text())))
""",
    },
)

STREAMLIT = Application(
    "Streamlit",
    "streamlit==1.67.0\n",
    {
        "app.py": """
import time

import streamlit as st

st.title("Flowers")
name = st.text_input("Name")
st.write(f"Hello {name}")
file = st.file_uploader("File")
if file:
    st.write(f"{len(file.getvalue())} bytes")
if st.button("Count"):
    place = st.empty()
    for number in range(5):
        place.write(f"count {number}")
        time.sleep(0.2)
""",
    },
)

GRADIO = Application(
    "Gradio",
    "gradio==6.31.0\n",
    {
        "app.py": """
import os
import time

import gradio as gr


def count():
    for number in range(5):
        yield f"count {number}"
        time.sleep(0.2)


with gr.Blocks() as demo:
    gr.Markdown("# Flowers")
    name, greeting = gr.Textbox(label="Name"), gr.Textbox(label="Greeting")
    gr.Button("Greet").click(lambda name: f"Hello {name}", name, greeting)
    counter = gr.Textbox(label="Counter")
    gr.Button("Count").click(count, None, counter)
    file, size = gr.File(label="File"), gr.Textbox(label="Size")
    file.upload(lambda path: f"{os.path.getsize(path)} bytes", file, size)
demo.launch(server_port=7860, auth=("ada", "secret"))
""",
    },
)

DASH = Application(
    "Dash",
    "dash==4.4.1\n",
    {
        "app.py": """
import base64

from dash import Dash, Input, Output, dcc, html

app = Dash()
app.layout = html.Div([
    html.H1("Flowers"),
    dcc.Input(id="name", placeholder="Name"),
    html.P(id="greeting"),
    dcc.Upload(html.Button("Upload"), id="file", max_size=-1),
    html.P(id="size"),
    dcc.Interval(id="tick", interval=300),
    html.P(id="count"),
])


@app.callback(Output("greeting", "children"), Input("name", "value"))
def greet(name):
    return f"Hello {name}"


@app.callback(Output("size", "children"), Input("file", "contents"))
def size(contents):
    return f"{len(base64.b64decode((contents or ',').split(',')[1]))} bytes"


@app.callback(Output("count", "children"), Input("tick", "n_intervals"))
def count(number):
    return f"count {number}"


app.run(port=8050)
""",
    },
)

MARIMO = Application(
    "marimo",
    "marimo==0.25.2\n",
    {
        "app.py": """
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo

    return (mo,)


@app.cell
def _(mo):
    name, file = mo.ui.text(label="Name"), mo.ui.file(label="File")
    mo.vstack([mo.md("# Flowers"), name, file])
    return file, name


@app.cell
def _(file, mo, name):
    mo.md(f"Hello {name.value}, {len(file.contents() or b'')} bytes")
    return


if __name__ == "__main__":
    app.run()
""",
    },
)

SHINY = Application(
    "Shiny for Python",
    "shiny==1.8.0\n",
    {
        "app.py": """
import os

from shiny import App, reactive, render, ui

page = ui.page_fluid(
    ui.h1("Flowers"),
    ui.input_text("name", "Name"),
    ui.output_text("greeting"),
    ui.input_file("file", "File"),
    ui.output_text("size"),
    ui.output_text("count"),
)


def server(input, output, session):
    number = 0

    @render.text
    def greeting():
        return f"Hello {input.name()}"

    @render.text
    def size():
        return f"{os.path.getsize(input.file()[0]['datapath'])} bytes" if input.file() else ""

    @render.text
    def count():
        nonlocal number
        reactive.invalidate_later(0.3)
        number += 1
        return f"count {number}"


app = App(page, server)
""",
    },
)


def _notebook(code: str) -> str:
    notebook = json.loads(NOTEBOOK)
    return json.dumps(notebook | {"cells": [notebook["cells"][0] | {"source": code}]})


VOILA = Application(
    "Voilà",
    "voila==0.5.13\n",
    {
        "app.ipynb": _notebook(
            """
import threading, time
import ipywidgets as widgets
from IPython.display import display
name, greeting = widgets.Text(description="Name"), widgets.Label()
file, size, count = widgets.FileUpload(), widgets.Label(), widgets.Label()
def greet(change): greeting.value = f"Hello {change.new}"
def measure(change): size.value = f"{change.new[0].size} bytes"
def run():
    for number in range(1000):
        count.value = f"count {number}"
        time.sleep(0.3)
name.observe(greet, "value")
file.observe(measure, "value")
threading.Thread(target=run, daemon=True).start()
display(widgets.HTML("<h1>Flowers</h1>"), name, greeting, file, size, count)
"""
        ),
    },
)

MLFLOW = Application("MLflow", "mlflow==3.17.2\n")
