// A kernel's process, as the extension starts and ends it.
const { spawn } = require('node:child_process');
const { randomUUID } = require('node:crypto');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { pidtree } = require('pidtree');
const { sleep, within } = require('./waiting.cjs');

const FIRST_PORT = 9000;
const LOOK_FOR_PORT_EVERY_MS = 200;
const DESCENDANTS_MS = 1000; // to find and signal them, before the process itself gets its signal

const portsInUse = new Set();
let choosing = Promise.resolve();

class KernelProcess {
  // spec: the kernel.json; folder: the notebook's; runtimeDir: Jupyter's
  constructor(spec, folder, runtimeDir) {
    this.spec = spec;
    this.folder = folder;
    this.runtimeDir = runtimeDir;
    this.stderr = '';
  }

  async launch(timeoutMs) {
    this.connection = await connection(this.spec.name);
    this.connectionFile = path.join(this.runtimeDir, `kernel-v2-${process.pid}${randomUUID()}.json`);
    fs.writeFileSync(this.connectionFile, JSON.stringify(this.connection));
    const argv = this.spec.argv.map(word => word.replace('{connection_file}', this.connectionFile));
    this.process = spawn(argv[0], argv.slice(1), { cwd: this.folder, env: environment(this.spec) });
    this.process.stdout.resume();
    this.process.stderr.on('data', data => (this.stderr += data));
    this.exited = new Promise(resolve => {
      this.process.once('error', error => resolve({ code: null, signal: null, error: error.message }));
      this.process.once('exit', (code, signal) => resolve({ code, signal }));
    }).then(exit => {
      this.ports.forEach(port => portsInUse.delete(port));
      return exit;
    });
    const died = this.exited.then(exit => {
      throw new Error(`the kernel died (${JSON.stringify(exit)}): ${this.stderr}`);
    });
    died.catch(() => {});
    // a bare connection to the port, closed at once
    const { shell_port: shell, iopub_port: iopub } = this.connection;
    await Promise.race([Promise.all([shell, iopub].map(port => untilUsed(port, timeoutMs))), died]);
  }

  get ports() {
    return Object.entries(this.connection).filter(([name]) => name.endsWith('_port')).map(([, port]) => port);
  }

  interrupt() {
    process.kill(this.process.pid, 'SIGINT');
  }

  // SIGTERM to what descends from it, then to itself; nobody waits for its end
  async dispose() {
    await within(DESCENDANTS_MS, terminateDescendants(this.process.pid));
    this.process.kill();
    fs.rmSync(this.connectionFile, { force: true });
  }
}

async function connection(kernelName) {
  const [hb_port, control_port, shell_port, stdin_port, iopub_port] = await (choosing = choosing.then(freePorts));
  return {
    key: randomUUID(), signature_scheme: 'hmac-sha256', transport: 'tcp', ip: '127.0.0.1',
    hb_port, control_port, shell_port, stdin_port, iopub_port, kernel_name: kernelName
  };
}

async function freePorts() {
  const ports = [];
  for (let port = FIRST_PORT; ports.length < 5; port += 1) {
    if (!portsInUse.has(port) && (await isFree(port))) {
      ports.push(port);
    }
  }
  ports.forEach(port => portsInUse.add(port));
  return ports;
}

function isFree(port) {
  return new Promise(resolve => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port }, () => server.close(() => resolve(true)));
  });
}

async function untilUsed(port, timeoutMs) {
  for (const end = Date.now() + timeoutMs; !(await isUsed(port)); await sleep(LOOK_FOR_PORT_EVERY_MS)) {
    if (Date.now() > end) {
      throw new Error(`port ${port} was not used within ${timeoutMs} ms`);
    }
  }
}

function isUsed(port) {
  return new Promise(resolve => {
    const socket = net.connect({ host: '127.0.0.1', port });
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

function environment(spec) {
  const env = { ...process.env, ...spec.env, PYTHONUNBUFFERED: '1' };
  if (spec.language === 'python') {
    env.PYDEVD_IPYTHON_COMPATIBLE_DEBUGGING = '1';
  }
  return { PYTHONIOENCODING: 'utf-8', PYTHON_FROZEN_MODULES: 'on', ...env };
}

async function terminateDescendants(pid) {
  const pids = await pidtree(pid).catch(() => []); // it is gone already
  for (const descendant of pids) {
    try {
      process.kill(descendant);
    } catch {
      // it ended meanwhile
    }
  }
}

module.exports = { KernelProcess };
