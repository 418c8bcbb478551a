"""The JupyterLab sidebar (TypeScript, in `src/`) and its Jupyter Server half."""


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "static", "dest": "farcell"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "farcell.labextension.server"}]


__all__ = ["_jupyter_labextension_paths", "_jupyter_server_extension_points"]
