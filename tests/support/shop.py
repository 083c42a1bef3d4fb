"""Somebody's own Flask application, with the receiver's blueprint in it: README shows these lines."""

from flask import Flask

from receiver.app import create_blueprint

app = Flask(__name__)
app.register_blueprint(create_blueprint(), url_prefix="/billing")


@app.get("/healthz")
def health() -> str:
    """Tell that the shop is open."""
    return "open"
