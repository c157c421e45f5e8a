// Runs the graph by onnxruntime-web, window by window, and posts the frames: {t, rgba, x, y}, rgba null without the subject.

import * as ort from "./ort/ort.wasm.min.mjs";

ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // several need headers that not every host sends

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };

async function read(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name} could not be read: status ${answer.status}`);
  return answer;
}

async function readScene() {
  const scene = await (await read("scene.json")).json();
  const blob = await (await read("scene.bin")).arrayBuffer();
  const arrays = {};
  for (const [name, { start, type, shape }] of Object.entries(scene.arrays)) {
    const count = shape.reduce((a, b) => a * b, 1);
    arrays[name] = { values: new ARRAYS[type](blob, start, count), shape, row: count / (shape[0] || 1) };
  }
  return { ...scene, arrays };
}

// Rows of an array, one behind the other; `fill` where a row's number is below 0.
function rows(array, numbers, fill) {
  const taken = new array.values.constructor(numbers.length * array.row);
  numbers.forEach((number, i) => {
    if (number < 0) taken.fill(fill, i * array.row, (i + 1) * array.row);
    else taken.set(array.values.subarray(number * array.row, (number + 1) * array.row), i * array.row);
  });
  return taken;
}

function feed({ points, scores, ranks, pictures, picture_points }, window) {
  const [k, joints] = [window.length, points.shape[1]];
  const fed = {
    points: new ort.Tensor("float32", rows(points, window, NaN), [1, k, joints, 2]),
    scores: new ort.Tensor("float32", rows(scores, window, 0), [1, k, joints]),
  };
  if (ranks) {
    const r = ranks.shape[1];
    const chosen = [...rows(ranks, window, -1)];
    fed.pictures = new ort.Tensor("uint8", rows(pictures, chosen, 0), [1, k, r, ...pictures.shape.slice(1)]);
    fed.picture_points = new ort.Tensor("float32", rows(picture_points, chosen, NaN), [1, k, r, joints, 2]);
  }
  return fed;
}

// Frame i of a window's colours (1 k 3 h w) and mattes (1 k 1 h w) as bytes.
function picture(colours, mattes, i, pixels) {
  const rgba = new Uint8ClampedArray(4 * pixels);
  for (let c = 0; c < 4; c++) {
    const plane = c < 3 ? colours.subarray((3 * i + c) * pixels, (3 * i + c + 1) * pixels) : mattes.subarray(i * pixels, (i + 1) * pixels);
    for (let p = 0; p < pixels; p++) rgba[4 * p + c] = Math.round(255 * plane[p]);
  }
  return rgba;
}

async function make() {
  const { arrays, crop_hw } = await readScene();
  const session = await ort.InferenceSession.create("model.onnx", { executionProviders: ["wasm"] });
  const total = arrays.points.shape[0];
  const k = arrays.windows.shape[1];
  const windows = new Map(); // by its first frame
  for (let i = 0; i < arrays.windows.shape[0]; i++) {
    const window = [...arrays.windows.values.subarray(i * k, (i + 1) * k)];
    windows.set(window[0], window);
  }
  const began = performance.now();
  let made = 0;
  const post = (t, rgba) => {
    const [x, y] = arrays.corners.values.subarray(2 * t, 2 * t + 2);
    made += 1;
    const perSecond = (1000 * made) / (performance.now() - began);
    postMessage({ t, rgba, x, y, made, total, perSecond }, rgba ? [rgba.buffer] : []);
  };
  let next = 0; // frames before it are made
  for (const first of [...windows.keys()].sort((a, b) => a - b)) {
    const window = windows.get(first);
    for (; next < first; next++) post(next, null);
    const { colours, mattes } = await session.run(feed(arrays, window));
    for (const [i, t] of window.entries()) {
      if (t < next) continue; // the last window of a run begins among frames of the one before, and may repeat its last frame
      post(t, picture(colours.data, mattes.data, i, crop_hw[0] * crop_hw[1]));
      next = t + 1;
    }
  }
  for (; next < total; next++) post(next, null);
  postMessage({ done: true, total });
}

make().catch((error) => postMessage({ error: String(error?.message ?? error) }));
