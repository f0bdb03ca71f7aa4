"""``python -m entropylab``: the command line."""

from entropylab.cli import app

if __name__ == "__main__":
    app(prog_name="python -m entropylab")
