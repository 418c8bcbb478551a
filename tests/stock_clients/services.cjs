// JupyterLab's services library as its notebooks use it: arguments are the gateway's URL and token.
const { KernelAPI, KernelManager, ServerConnection, SessionManager, KernelSpecManager } = require('@jupyterlab/services');

async function main(baseUrl, token) {
  const serverSettings = ServerConnection.makeSettings({
    baseUrl: baseUrl + '/',
    wsUrl: baseUrl.replace('http', 'ws') + '/',
    token,
    appendToken: false,
    WebSocket: withHeader(token)
  });
  const specs = new KernelSpecManager({ serverSettings });
  await specs.ready;
  const kernels = new KernelManager({ serverSettings });
  const sessions = new SessionManager({ kernelManager: kernels, serverSettings });
  await sessions.ready;
  const session = await sessions.startNew({
    name: 'a', path: 'a.ipynb', type: 'notebook', kernel: { name: specs.specs.default }
  });
  const kernel = session.kernel;
  const facts = { specs: Object.keys(specs.specs.kernelspecs), language: (await kernel.info).language_info.name };
  facts.output = await run(kernel, "print('far')");
  facts.buffers = await echo(kernel, [new Uint8Array([0, 1, 254, 255]).buffer]);
  facts.interrupted = await interrupted(kernel);
  await run(kernel, 'remembered = 1');
  await kernel.restart();
  facts.remembered = await run(kernel, "print('remembered' in globals())");
  await session.setPath('b.ipynb');
  await sessions.refreshRunning();
  facts.paths = Array.from(sessions.running(), model => model.path);
  await session.shutdown();
  facts.left = (await KernelAPI.listRunning(serverSettings)).length;
  console.log(JSON.stringify(facts));
  process.exit(0);
}

// A browser's page has the token in a cookie of its server; outside of one it is a header.
function withHeader(token) {
  const WebSocket = require('ws');
  return class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { headers: { Authorization: `token ${token}` } });
    }
  };
}

async function run(kernel, code) {
  const future = kernel.requestExecute({ code });
  let text = '';
  future.onIOPub = message => {
    text += message.header.msg_type === 'stream' ? message.content.text : '';
  };
  await future.done;
  return text;
}

async function echo(kernel, buffers) {
  await run(kernel, [
    'def _opened(comm, message):',
    '    comm.on_msg(lambda message: comm.send({}, buffers=message["buffers"]))',
    'get_ipython().kernel.comm_manager.register_target("echo", _opened)'
  ].join('\n'));
  const comm = kernel.createComm('echo');
  await comm.open().done;
  const answer = new Promise(resolve => {
    comm.onMsg = message => resolve(message.buffers.map(buffer => Array.from(new Uint8Array(buffer.buffer ?? buffer, buffer.byteOffset ?? 0, buffer.byteLength))));
  });
  comm.send({}, undefined, buffers);
  return answer;
}

async function interrupted(kernel) {
  const future = kernel.requestExecute({ code: "print('on', flush=True)\nimport time; time.sleep(60)" });
  future.onIOPub = message => {
    if (message.header.msg_type === 'stream') {
      kernel.interrupt();
    }
  };
  return (await future.done).content.ename;
}

main(...process.argv.slice(2));
