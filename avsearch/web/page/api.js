// The server's /v1, and its errors as one kind.

/** Why there is no answer: `status` is that of HTTP, 0 where the server did not answer at all. */
class ApiError extends Error {
  constructor(status, message, hint = "") {
    super(message);
    this.status = status;
    this.hint = hint;
  }

  get isGone() {
    return this.status === 0;
  }
}

const listeners = new Set();

/** Told after each request whether the server answered. */
export const onContact = (listener) => listeners.add(listener);

const told = (answers) => listeners.forEach((listener) => listener(answers));

async function request(path, { signal, method = "GET", json, token, headers = {} } = {}) {
  const body = json === undefined ? undefined : JSON.stringify(json);
  const sent = { ...headers, ...(body && { "Content-Type": "application/json" }), ...(token && { Authorization: `Bearer ${token}` }) };
  let response;
  try {
    response = await fetch(path, { signal, method, body, headers: sent });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    told(false);
    throw new ApiError(0, "The server does not answer.");
  }
  told(true);
  if (!response.ok) throw errorOf(response.status, await response.text());
  return response;
}

function errorOf(status, text) {
  try {
    const { message, hint } = JSON.parse(text).error;
    return new ApiError(status, message, hint);
  } catch {
    return new ApiError(status, `The server answered with status ${status}.`, "Its log says more.");
  }
}

const readJson = async (path, options) => (await request(path, options)).json();

export const search = (query, signal) => readJson("/v1/search", { method: "POST", json: query, signal });
export const library = (signal) => readJson("/v1/library", { signal });
export const indexing = (signal) => readJson("/v1/index", { signal });
export const labels = (signal) => readJson("/v1/labels", { signal });
export const media = (id, signal) => readJson(mediaUrl(id), { signal });
export const removeMedia = (id, token) => request(mediaUrl(id), { method: "DELETE", token });
export const startIndex = (json, token) => request("/v1/index", { method: "POST", json, token });

/** [lowest, highest] of each part of a stretch of sound. */
export async function waveform(base, { start_s = 0, end_s = null, points }, signal) {
  const range = new URLSearchParams({ start_s, points, ...(end_s === null ? {} : { end_s }) });
  return (await readJson(`${base}/waveform?${range}`, { signal })).peaks;
}

/** A picture to lay over a thumbnail, and where it is brightest. */
export async function heatMap({ picture, sound }, signal) {
  const response = await request(`/v1/heatmap?${new URLSearchParams({ picture, sound })}`, { signal });
  const [x, y, probability] = (response.headers.get("X-Peak") ?? "").split(",").map(Number);
  return { blob: await response.blob(), x, y, probability };
}

/** Why a preview cannot be played: what the server says when its first byte is asked for, or null. */
export async function previewError(url, signal) {
  return request(url, { headers: { Range: "bytes=0-0" }, signal }).then(() => null, (error) => error);
}

/** Send a file as it is. `onProgress` gets the part that is sent; `signal` ends it. */
export function upload(file, { onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open("POST", "/v1/uploads");
    sending.setRequestHeader("X-Filename", encodeURIComponent(file.name));
    sending.setRequestHeader("Content-Type", "application/octet-stream");
    sending.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    sending.onload = () => {
      told(true);
      if (sending.status === 201) resolve(JSON.parse(sending.responseText));
      else reject(errorOf(sending.status, sending.responseText));
    };
    sending.onerror = () => reject(new ApiError(0, "The file did not reach the server."));
    sending.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", () => sending.abort());
    sending.send(file);
  });
}

export const thumbnailOf = (momentId, size = 320) => `/v1/moments/${encodeURIComponent(momentId)}/thumbnail?size=${size}`;
export const mediaUrl = (id) => `/v1/media/${encodeURIComponent(id)}`;
export const uploadUrl = (id) => `/v1/uploads/${encodeURIComponent(id)}`;
