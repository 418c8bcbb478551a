// A window of VS Code: commands come as JSON lines on stdin; answers and events go as JSON lines to stdout.
// A command is {id, verb, notebook, ...}; its answer {id, result} or {id, error}; an event {event, notebook, ...}.
const path = require('node:path');
const readline = require('node:readline');
const hiddenCode = require('./hidden_code.cjs');
const { Notebook } = require('./notebook.cjs');

const notebooks = new Map(); // the open tabs, by file

const verbs = {
  open: ({ notebook, spec, interrupt_channel: interruptChannel }) => {
    const runtimeDir = process.env.JUPYTER_RUNTIME_DIR;
    const file = path.resolve(notebook);
    const tell = event => write({ ...event, notebook });
    notebooks.set(notebook, new Notebook(file, spec, runtimeDir, interruptChannel, tell));
    return notebooks.get(notebook).start();
  },
  execute: ({ notebook, cell, code, metadata }) => notebooks.get(notebook).execute(cell, code, metadata),
  hidden: ({ notebook, code }) => notebooks.get(notebook).hidden(code),
  variables: ({ notebook }) => notebooks.get(notebook).hidden(hiddenCode.variables),
  request: ({ notebook, channel, msg_type: msgType, content }) =>
    notebooks.get(notebook).channels.request(channel, msgType, content).done,
  answer: ({ notebook, value }) => notebooks.get(notebook).answerInput(value),
  interrupt: ({ notebook }) => notebooks.get(notebook).interrupt(),
  restart: ({ notebook }) => notebooks.get(notebook).restart(),
  close: async ({ notebook }) => {
    const closed = notebooks.get(notebook);
    notebooks.delete(notebook);
    await closed.close();
  },
  quit: async () => {
    await Promise.all(Array.from(notebooks.values(), notebook => notebook.close()));
    setImmediate(() => process.exit(0));
  }
};

function write(line) {
  process.stdout.write(JSON.stringify(line) + '\n');
}

async function obey({ id, verb, ...words }) {
  try {
    write({ id, result: (await verbs[verb](words)) ?? null });
  } catch (error) {
    write({ id, error: error.message });
  }
}

readline
  .createInterface({ input: process.stdin })
  .on('line', line => obey(JSON.parse(line)))
  .on('close', verbs.quit);
