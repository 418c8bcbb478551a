"""The JupyterLab sidebar and its Jupyter Server half."""
