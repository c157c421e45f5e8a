// Shows the frames that maker.mjs makes, over the plate: as they come, and once they are there at the clip's own rate, over and over.

const root = document.documentElement;
const said = document.getElementById("said");

function fail(error) {
  root.dataset.error = said.textContent = String(error?.message ?? error);
}

async function start() {
  if (location.protocol === "file:") {
    throw new Error("A browser reads no files beside a page opened from disk. Serve this folder: python -m http.server -b localhost");
  }
  const scene = await (await fetch("scene.json")).json();
  document.title = document.getElementById("title").textContent = scene.title;
  document.getElementById("generated").textContent = scene.generated;
  const canvas = document.getElementById("picture");
  [canvas.height, canvas.width] = scene.plate_hw;
  const context = canvas.getContext("2d");
  const plate = new Image();
  plate.src = "plate.png";
  await plate.decode();
  context.drawImage(plate, 0, 0);

  const frames = []; // by number; null without the subject, undefined while it is not made
  const show = (t) => {
    context.drawImage(plate, 0, 0);
    if (frames[t]) context.drawImage(frames[t].bitmap, frames[t].x, frames[t].y);
    root.dataset.shown = t;
  };
  const worker = new Worker("maker.mjs", { type: "module" });
  worker.onerror = (event) => fail(event.message);
  worker.onmessage = async ({ data }) => {
    if (data.error) return fail(data.error);
    if (data.done) return play(data.total);
    const [height, width] = scene.crop_hw;
    const bitmap = data.rgba && (await createImageBitmap(new ImageData(data.rgba, width, height)));
    frames[data.t] = bitmap && { bitmap, x: data.x, y: data.y };
    root.dataset.frames = `${data.made}/${data.total}`;
    said.textContent = `frame ${data.made} of ${data.total}, ${data.perSecond.toFixed(1)} a second`;
    show(data.t);
  };

  function play(total) {
    root.dataset.done = total;
    const began = performance.now();
    const step = (now) => {
      show(Math.floor(((now - began) / 1000) * scene.fps) % total);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }
}

start().catch(fail);
