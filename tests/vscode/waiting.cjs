// Promises with a patience.

function sleep(ms) {
  return new Promise(resolve => setTimeout(resolve, ms));
}

// What the promise comes to, or `late` once the time is over. What it comes to later is nobody's.
function within(ms, promise, late = undefined) {
  let timer;
  const over = new Promise(resolve => (timer = setTimeout(resolve, ms, late)));
  promise.catch(() => {});
  return Promise.race([promise, over]).finally(() => clearTimeout(timer));
}

function deferred() {
  const made = { isDone: false };
  made.promise = new Promise((resolve, reject) => {
    made.resolve = value => {
      made.isDone = true;
      resolve(value);
    };
    made.reject = reject;
  });
  made.promise.catch(() => {});
  return made;
}

module.exports = { sleep, within, deferred };
