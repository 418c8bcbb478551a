// What the extension runs unseen: the same steps in words of our own.

// Which ipywidgets there are decides how widgets are drawn.
const widgetVersion = `
try:
    import ipywidgets as _hidden_ipywidgets
    print("ipywidgets:" + _hidden_ipywidgets.__version__)
    del _hidden_ipywidgets
except:
    pass
`.trim();

// Before the first cell, in one request: input() that flushes first, which notebook this is, and plain completions.
const startUp = file => `
import builtins
import sys

def _hidden_input(*args, **kwargs):
    try:
        sys.stdout.flush()
    except:
        pass
    return _hidden_original_input(*args, **kwargs)

_hidden_original_input = builtins.input
builtins.input = _hidden_input
del _hidden_input
__vsc_ipynb_file__ = ${JSON.stringify(file)}
%config Completer.use_jedi = False
`.trim();

// The Variables pane, after each cell while it is open: names and types as JSON on stdout; modules are left out.
const variables = `
import json as _hidden_json
_hidden_names = %who_ls
_hidden_types = {_name: type(globals()[_name]).__name__ for _name in _hidden_names if _name in globals()}
print(_hidden_json.dumps({_name: _type for _name, _type in _hidden_types.items() if _type != "module"}))
del _hidden_names, _hidden_types, _hidden_json
`.trim();

module.exports = { widgetVersion, startUp, variables };
