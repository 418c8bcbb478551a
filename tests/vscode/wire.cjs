// A kernel message and its frames. https://jupyter-client.readthedocs.io/en/stable/messaging.html
const { createHmac, randomUUID } = require('node:crypto');

const DELIMITER = '<IDS|MSG>';
const PROTOCOL = '5.2';

function message(channel, msgType, content, { session, username, metadata = {}, parentHeader = {} }) {
  const header = {
    date: new Date().toISOString(), msg_id: randomUUID(), msg_type: msgType, session, username, version: PROTOCOL
  };
  return { buffers: [], channel, content, header, metadata, parent_header: parentHeader };
}

function encode(sent, key) {
  const parts = [sent.header, sent.parent_header, sent.metadata, sent.content].map(part => JSON.stringify(part));
  return [DELIMITER, signature(parts, key), ...parts, ...sent.buffers];
}

function decode(frames, key, channel) {
  const at = frames.findIndex(frame => frame.toString() === DELIMITER);
  const [signed, ...parts] = frames.slice(at + 1, at + 6).map(frame => frame.toString());
  if (signed !== signature(parts, key)) {
    throw new Error('Incorrect message signature');
  }
  const [header, parent_header, metadata, content] = parts.map(part => JSON.parse(part));
  return { channel, header, parent_header, metadata, content, buffers: frames.slice(at + 6) };
}

function signature(parts, key) {
  const hmac = createHmac('sha256', key);
  parts.forEach(part => hmac.update(part));
  return hmac.digest('hex');
}

module.exports = { message, encode, decode };
