// A notebook and its kernel: start-up, cells, hidden code, interrupt, restart, and the end when its tab closes.
const { randomUUID } = require('node:crypto');
const path = require('node:path');
const { Channels } = require('./channels.cjs');
const { KernelProcess } = require('./kernel_process.cjs');
const hiddenCode = require('./hidden_code.cjs');
const { deferred, within } = require('./waiting.cjs');

const LAUNCH_MS = 60000;
const ASK_AGAIN_MS = 500;
const INTERRUPT_MS = 10000;

class Notebook {
  // tell: called with each message of the kernel, and with the end of each cell.
  // interruptChannel: 'control', or 'shell' for versions of the extension up to 2025-11
  constructor(file, spec, runtimeDir, interruptChannel, tell) {
    this.file = file;
    this.spec = spec;
    this.runtimeDir = runtimeDir;
    this.interruptChannel = interruptChannel;
    this.tell = tell;
    this.identity = { username: randomUUID(), session: randomUUID() }; // kept over restarts
    this.running = null; // the cell that the kernel has; the next one is sent when it is done
    this.pending = [];
  }

  // Starts a kernel process; of an older one nothing is waited for.
  async start() {
    this.kernel?.dispose();
    this.channels?.close();
    const started = Date.now();
    const kernel = (this.kernel = new KernelProcess(this.spec, path.dirname(this.file), this.runtimeDir));
    try {
      await kernel.launch(LAUNCH_MS);
    } catch (error) {
      await kernel.dispose();
      throw error;
    }
    kernel.exited.then(exit => this.tell({ event: 'exit', pid: kernel.process.pid, ...exit }));
    this.anyIopub = deferred();
    this.channels = new Channels(kernel.connection, this.identity, got => this.heard(got));
    this.channels.request('shell', 'kernel_info_request', {}); // as JupyterLab's services do on connecting
    await this.untilReady();
    const readyMs = Date.now() - started;
    const outputs = await this.runStartUpCode();
    return { pid: kernel.process.pid, connection: kernel.connection, ready_ms: readyMs, start_up: outputs };
  }

  // A reply on either channel and any message on iopub.
  async untilReady() {
    const answered = deferred();
    const ready = Promise.all([this.anyIopub.promise, answered.promise]).then(() => true);
    for (const end = Date.now() + LAUNCH_MS; Date.now() < end; ) {
      for (const channel of ['control', 'shell']) {
        this.channels.request(channel, 'kernel_info_request', {}).done.then(answered.resolve, () => {});
      }
      if (await within(ASK_AGAIN_MS, ready, false)) {
        return;
      }
    }
    throw new Error('the kernel did not become ready');
  }

  async runStartUpCode() {
    const outputs = [];
    for (const code of [hiddenCode.widgetVersion, hiddenCode.startUp(this.file)]) {
      outputs.push(...(await this.hidden(code)).outputs);
    }
    return outputs;
  }

  // Not queued behind cells.
  hidden(code) {
    const content = { code, silent: false, store_history: false, ...ALWAYS };
    return this.channels.request('shell', 'execute_request', content).done;
  }

  // metadata: what the cell has in the file
  execute(id, code, metadata) {
    const cellId = `vscode-notebook-cell:${encodeURI(this.file)}#${id}`;
    this.pending.push({ id, code, metadata: { cellId, ...metadata }, end: deferred() });
    this.sendNext();
  }

  sendNext() {
    if (this.running || !this.pending.length) {
      return;
    }
    const cell = (this.running = this.pending.shift());
    const content = { code: cell.code, silent: false, store_history: true, ...ALWAYS };
    const { msgId, done } = this.channels.request('shell', 'execute_request', content, cell.metadata);
    this.tell({ event: 'sent', cell: cell.id, msg_id: msgId });
    done.then(({ reply }) => this.ended(cell, { reply }), error => this.ended(cell, { error: error.message }));
  }

  ended(cell, how) {
    if (this.running === cell) {
      this.running = null;
    }
    cell.end.resolve();
    this.tell({ event: 'ended', cell: cell.id, ...how });
    this.sendNext();
  }

  cancelPending() {
    for (const cell of this.pending.splice(0)) {
      this.ended(cell, { error: 'cancelled' });
    }
  }

  // The request's own answer may take as long as the cell afterwards.
  async interrupt() {
    const started = Date.now();
    this.cancelPending();
    const cell = this.running;
    let outcome;
    if (!(await within(INTERRUPT_MS, this.requestInterrupt(), false))) {
      outcome = 'no answer';
    } else if (!cell) {
      outcome = 'success';
    } else {
      outcome = await within(INTERRUPT_MS, cell.end.promise.then(() => 'success'), 'timed out');
    }
    return { outcome, ms: Date.now() - started };
  }

  async requestInterrupt() {
    if (this.spec.interrupt_mode === 'message') {
      await this.channels.request(this.interruptChannel, 'interrupt_request', {}).done;
    } else {
      this.kernel.interrupt();
    }
    return true;
  }

  // SIGTERM and a new start, at the same time; cells that ran are given up.
  async restart() {
    this.cancelPending();
    return this.start();
  }

  async close() {
    this.cancelPending();
    await this.kernel?.dispose();
    this.channels?.close();
  }

  answerInput(value) {
    this.channels.answerInput({ status: 'ok', value }, this.inputRequest.header);
  }

  heard(got) {
    if (got.channel === 'iopub') {
      this.anyIopub.resolve();
    } else if (got.header.msg_type === 'input_request') {
      this.inputRequest = got;
    }
    this.tell({ event: 'message', ...got, buffers: got.buffers.map(buffer => buffer.toString('base64')) });
  }
}

const ALWAYS = { user_expressions: {}, allow_stdin: true, stop_on_error: false };

module.exports = { Notebook };
