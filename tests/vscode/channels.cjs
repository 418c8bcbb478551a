// A kernel's four sockets, and what was asked through them. Nobody listens to the heartbeat.
const { randomUUID } = require('node:crypto');
const zmq = require('zeromq');
const { deferred } = require('./waiting.cjs');
const { decode, encode, message } = require('./wire.cjs');

const UNBOUNDED = { receiveHighWaterMark: 0, maxMessageSize: -1 };

class Channels {
  // heard: called with each message that comes
  constructor(connection, identity, heard) {
    this.connection = connection;
    this.identity = identity; // username and session, for all messages
    this.heard = heard;
    this.asked = new Map(); // by msg_id
    this.isClosed = false;
    const dealer = () => new zmq.Dealer({ ...UNBOUNDED, routingId, sendHighWaterMark: 0 });
    const routingId = randomUUID();
    this.sockets = {
      iopub: new zmq.Subscriber(UNBOUNDED), shell: dealer(), control: dealer(), stdin: dealer()
    };
    for (const [channel, socket] of Object.entries(this.sockets)) {
      socket.connect(`tcp://${connection.ip}:${connection[`${channel}_port`]}`);
      this.read(channel, socket);
    }
    this.sockets.iopub.subscribe();
    this.sending = Promise.resolve();
  }

  // A request that is done once it has its reply and the kernel is idle again after it.
  request(channel, msgType, content, metadata = {}) {
    const sent = message(channel, msgType, content, { ...this.identity, metadata });
    const answer = { ...deferred(), outputs: [], reply: null, isIdle: false };
    this.asked.set(sent.header.msg_id, answer);
    this.send(sent);
    return { msgId: sent.header.msg_id, answer, done: answer.promise };
  }

  answerInput(content, parentHeader) {
    this.send(message('stdin', 'input_reply', content, { ...this.identity, parentHeader }));
  }

  // Those who wait are told that no answer will come.
  close() {
    this.isClosed = true;
    Object.values(this.sockets).forEach(socket => socket.close());
    for (const answer of this.asked.values()) {
      answer.reject(new Error('Canceled future before replies were done'));
    }
  }

  send(sent) {
    const frames = encode(sent, this.connection.key);
    this.sending = this.sending.then(() => this.isClosed || this.sockets[sent.channel].send(frames));
  }

  async read(channel, socket) {
    for await (const frames of socket) {
      if (this.isClosed) {
        return;
      }
      this.take(decode(frames, this.connection.key, channel));
    }
  }

  take(got) {
    const answer = this.asked.get(got.parent_header.msg_id);
    if (answer && got.channel === 'iopub') {
      answer.outputs.push({ msg_type: got.header.msg_type, content: got.content });
      answer.isIdle ||= got.content.execution_state === 'idle';
    } else if (answer && got.header.msg_type.endsWith('_reply')) {
      answer.reply = got;
    }
    this.heard(got);
    if (answer && answer.reply && answer.isIdle) {
      this.asked.delete(got.parent_header.msg_id);
      answer.resolve({ reply: answer.reply.content, outputs: answer.outputs });
    }
  }
}

module.exports = { Channels };
