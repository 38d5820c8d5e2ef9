// Explorers: generators that run here, from weights inside the page; and animations that play when asked to.
"use strict";

const PAD = 2; // white between images

function bytes(text) {
  const packed = atob(text), opened = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i += 1) opened[i] = packed.charCodeAt(i);
  return opened;
}

const floats = (text) => new Float32Array(bytes(text).buffer);

function everyHalf() {
  const table = new Float32Array(65536); // each of the 2^16 half-precision numbers
  for (let i = 0; i < 65536; i += 1) {
    const exponent = (i >> 10) & 31, fraction = i & 1023;
    const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
    table[i] = i >> 15 ? -size : size;
  }
  return table;
}

let halfTable; // made when the first explorer with such weights is looked at
function halves(text) {
  halfTable ??= everyHalf();
  return Float32Array.from(new Uint16Array(bytes(text).buffer), (bits) => halfTable[bits]);
}

function openLayer({ weights, scale, bias }) {
  if (!scale) return { weights: halves(weights), bias: floats(bias) };
  const whole = new Int8Array(bytes(weights).buffer), each = floats(scale);
  const opened = new Float32Array(whole.length);
  for (let i = 0; i < whole.length; i += 1) opened[i] = whole[i] * each[i % each.length];
  return { weights: opened, bias: floats(bias) };
}

// ---- latents: as latents.portable and latents.slerp of the package ----

function mixed(x) {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

function latents(seed, count) {
  const start = mixed(seed >>> 0), values = new Float32Array(count + (count % 2));
  const uniform = (i) => mixed((start + Math.imul(i, 0x9e3779b9)) >>> 0) / 2 ** 32;
  for (let i = 0; i < count; i += 2) {
    const length = Math.sqrt(-2 * Math.log(uniform(i) + 2 ** -32)), angle = 2 * Math.PI * uniform(i + 1);
    values[i] = length * Math.cos(angle);
    values[i + 1] = length * Math.sin(angle);
  }
  return values.subarray(0, count);
}

function slerp(a, b, t) {
  let aa = 0, bb = 0, ab = 0;
  for (let i = 0; i < a.length; i += 1) { aa += a[i] * a[i]; bb += b[i] * b[i]; ab += a[i] * b[i]; }
  const la = Math.sqrt(aa), lb = Math.sqrt(bb), angle = Math.acos(Math.min(1, Math.max(-1, ab / (la * lb))));
  const straight = Math.sin(angle) < 1e-4, length = (1 - t) * la + t * lb;
  const pa = straight ? 1 - t : Math.sin((1 - t) * angle) / Math.sin(angle);
  const pb = straight ? t : Math.sin(t * angle) / Math.sin(angle);
  return a.map((value, i) => length * (pa * value / la + pb * b[i] / lb));
}

// ---- a generator: channels last, so that the innermost loop runs along memory ----

function project(z, { weights, bias }) {
  const out = new Float32Array(weights.length / z.length);
  for (let j = 0; j < out.length; j += 1) out[j] = bias[j % bias.length];
  for (let i = 0, w = 0; i < z.length; i += 1) for (let j = 0; j < out.length; j += 1, w += 1) out[j] += z[i] * weights[w];
  return out;
}

// Transposed convolution, padding 1: 4 × 4 at stride 2, where input (y, x) reaches outputs 2y − 1 … 2y + 2 and as many
// of x, or 3 × 3 at stride 1, where it reaches y − 1 … y + 1.
function convolved(x, side, stride, { weights, bias }) {
  const outs = bias.length, ins = x.length / (side * side), size = stride + 2, wide = stride * side;
  const out = new Float32Array(wide * wide * outs);
  for (let i = 0; i < out.length; i += 1) out[i] = bias[i % outs];
  for (let y = 0, at = 0; y < side; y += 1) for (let column = 0; column < side; column += 1) {
    for (let c = 0; c < ins; c += 1, at += 1) {
      const value = x[at];
      if (value === 0) continue; // half of all, behind a ReLU
      for (let ky = 0; ky < size; ky += 1) {
        const oy = stride * y - 1 + ky;
        if (oy < 0 || oy >= wide) continue;
        for (let kx = 0; kx < size; kx += 1) {
          const ox = stride * column - 1 + kx;
          if (ox < 0 || ox >= wide) continue;
          for (let o = 0, to = (oy * wide + ox) * outs, w = ((c * size + ky) * size + kx) * outs; o < outs; o += 1) {
            out[to + o] += value * weights[w + o];
          }
        }
      }
    }
  }
  return out;
}

const ACTIVATIONS = {
  relu: (v) => (v < 0 ? 0 : v),
  "leaky-relu": (v) => (v < 0 ? 0.2 * v : v),
  tanh: Math.tanh,
  elu: (v) => (v < 0 ? Math.expm1(v) : v),
};

function generate(net, z, number) { // image `number`, (side · side · channels) in [-1, 1]
  let x = project(z.subarray(0, net.latent_dim), net.layers[0]);
  if (net.shifts) { // classes in turn
    const start = x.length * (number % (net.shifts.length / x.length));
    x = x.map((value, i) => value + net.shifts[start + i]);
  }
  for (let i = 1, side = net.side, ins = net.channels; i < net.layers.length; i += 1) {
    const { weights, bias } = net.layers[i], stride = weights.length === 16 * ins * bias.length ? 2 : 1;
    x = convolved(x.map(ACTIVATIONS[net.activation]), side, stride, net.layers[i]);
    [side, ins] = [stride * side, bias.length];
  }
  return x.map(Math.tanh);
}

// ---- explorers ----

const pause = () => new Promise((resolve) => { setTimeout(resolve); });

function dress(box, data) {
  const canvases = [...box.querySelectorAll("canvas")], sliders = [...box.querySelectorAll("input[type=range]")];
  const rows = Math.ceil(data.count / data.columns);
  for (const canvas of canvases) {
    const { width, height, image_size: size } = data.methods[canvas.dataset.method];
    canvas.width = width ?? data.columns * (size + PAD) + PAD;
    canvas.height = height ?? rows * (size + PAD) + PAD;
    canvas.style.width = `${canvas.width * Math.max(1, Math.round(64 / size))}px`;
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
  }
  const status = box.querySelector(".status"), reset = box.querySelector(".reset");
  return { box, data, canvases, sliders, status, reset, home: sliders.map((slider) => slider.value) };
}

function show(slider, text) {
  slider.parentElement.querySelector("output").value = text;
  slider.setAttribute("aria-valuetext", text);
}

function startLive(parts) {
  const { data, canvases, sliders, status } = parts, dim = data.latent_dim;
  const seed = parts.box.querySelector(".seed"), of = parts.box.querySelector("select"), way = sliders.at(-1);
  for (const net of Object.values(data.methods)) {
    net.layers = net.layers.map(openLayer);
    net.directions = floats(net.directions);
    if (net.shifts) net.shifts = floats(net.shifts);
  }

  function latentsFor(method, base, amounts) {
    const z = Float32Array.from(base), kind = of.value;
    const { directions, latent_dim: length } = data.methods[kind === "each method" ? method : kind] ?? {};
    amounts.forEach((amount, k) => {
      for (let at = 0; amount && at < z.length; at += dim) {
        if (!directions) { if (k < dim) z[at + k] += amount; continue; }
        for (let i = 0; (k + 1) * length <= directions.length && i < length; i += 1) z[at + i] += amount * directions[k * length + i];
      }
    });
    return z;
  }

  function base() {
    const here = latents(Number(seed.value), data.count * dim), t = way.value / 100;
    if (t === 0) return here;
    const there = latents(Number(seed.value) + 1, data.count * dim), z = new Float32Array(here.length);
    for (let at = 0; at < z.length; at += dim) z.set(slerp(here.subarray(at, at + dim), there.subarray(at, at + dim), t), at);
    return z;
  }

  let wanted = 0; // the latest wish: work on an older one stops
  async function draw() {
    wanted += 1;
    parts.box.setAttribute("aria-busy", "true");
    const mine = wanted, amounts = sliders.slice(0, -1).map((slider) => Number(slider.value)), begun = performance.now();
    const start = base(), z = new Map(canvases.map(({ dataset }) => [dataset.method, latentsFor(dataset.method, start, amounts)]));
    parts.box.latents = Object.fromEntries(z);
    for (let n = 0; n < data.count; n += 1) {
      for (const canvas of canvases) {
        await pause();
        if (mine !== wanted) return;
        const { method } = canvas.dataset, net = data.methods[method], { image_size: size, image_channels: channels } = net;
        const pixels = generate(net, z.get(method).subarray(n * dim, (n + 1) * dim), n), image = new ImageData(size, size);
        for (let i = 0; i < size ** 2; i += 1) {
          for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = Math.round(127.5 * (pixels[i * channels + c % channels] + 1));
          image.data[4 * i + 3] = 255;
        }
        const left = PAD + (n % data.columns) * (size + PAD), top = PAD + Math.floor(n / data.columns) * (size + PAD);
        canvas.getContext("2d").putImageData(image, left, top);
      }
    }
    const moved = sliders.filter((slider) => slider.value !== "0").map((s) => `${s.labels[0].textContent} ${s.value}`);
    const text = [`latents of seed ${seed.value}`, ...moved].join(", ");
    parts.box.setAttribute("aria-busy", "false");
    status.textContent = `${text}; ${data.count * canvases.length} images in ${Math.round(performance.now() - begun)} ms, made in this page`;
  }

  function label() {
    const name = of.value === "single coordinates" ? (i) => `coordinate ${i}` : (i) => `direction ${i + 1}`;
    sliders.slice(0, -1).forEach((slider, i) => { slider.labels[0].textContent = name(i); });
    for (const slider of sliders) show(slider, slider === way ? slider.value : Number(slider.value).toFixed(1));
  }

  const changed = () => { label(); draw(); };
  for (const control of [...sliders, seed]) control.addEventListener("input", changed);
  of.addEventListener("change", changed);
  parts.box.querySelector(".shuffle").addEventListener("click", () => {
    seed.value = Math.floor(Math.random() * 2 ** 32);
    changed();
  });
  parts.reset.addEventListener("click", () => {
    sliders.forEach((slider, i) => { slider.value = parts.home[i]; });
    seed.value = 0;
    changed();
  });
  changed();
}

function startAtlas(parts) {
  const { data, canvases, sliders, status } = parts, pictures = {};
  function draw(row) {
    const stop = Number(sliders[row].value), name = sliders[row].labels[0].textContent;
    sliders.forEach((slider, i) => {
      if (i !== row) slider.value = parts.home[i];
      const share = slider.value / (data.stops - 1), way = data.sliders[i].startsWith("way");
      show(slider, way ? `${Math.round(100 * share)} %` : (data.reach * (2 * share - 1)).toFixed(1));
    });
    for (const canvas of canvases) {
      const { width, height } = canvas;
      canvas.getContext("2d").drawImage(pictures[canvas.dataset.method], stop * width, row * height, width, height, 0, 0, width, height);
    }
    status.textContent = `latents of seed 0, ${name} ${sliders[row].parentElement.querySelector("output").value}`;
  }
  const loading = Object.entries(data.methods).map(([method, { picture }]) => {
    pictures[method] = new Image();
    pictures[method].src = picture;
    return pictures[method].decode();
  });
  sliders.forEach((slider, row) => { slider.addEventListener("input", () => draw(row)); });
  parts.reset.addEventListener("click", () => {
    sliders.forEach((slider, i) => { slider.value = parts.home[i]; });
    draw(0);
  });
  Promise.all(loading).then(() => draw(0));
}

const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target); // weights are unpacked when first looked at
    const data = JSON.parse(target.querySelector("script").textContent);
    (data.kind === "atlas" ? startAtlas : startLive)(dress(target, data));
  }
}, { rootMargin: "200px" });
document.querySelectorAll(".live").forEach((box) => seen.observe(box));

// ---- animations: nothing moves until it is asked to ----

for (const film of document.querySelectorAll(".film")) {
  const button = film.querySelector("button"), pictures = [...film.querySelectorAll("img")];
  const still = pictures.map((picture) => picture.src), name = button.textContent.replace(/^Play: /, "");
  button.hidden = false;
  button.addEventListener("click", () => {
    const play = button.textContent.startsWith("Play");
    pictures.forEach((picture, i) => { picture.src = play ? picture.dataset.moving : still[i]; });
    button.textContent = `${play ? "Stop" : "Play"}: ${name}`;
  });
}
