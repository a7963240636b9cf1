/* The camera's newest picture goes to the server whenever the one before has come back painted:
   those in between are dropped, and nothing ever queues up. */
const vidstyleLive = (() => {
  const SIDE = 640;
  let running = null;

  function say(words) {
    document.getElementById("live-words").textContent = words;
  }

  async function open_camera(video) {
    const wanted = { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: "user" };
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted });
    await video.play();
  }

  function grab(video, canvas) {
    const scale = Math.min(1, SIDE / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
  }

  async function paint(token, photo) {
    const answer = await fetch(`vidstyle/live/${token}`, { method: "POST", body: photo });
    if (!answer.ok) throw new Error(await answer.text());
    return createImageBitmap(await answer.blob());
  }

  async function loop(token, mine) {
    const video = document.createElement("video");
    Object.assign(video, { muted: true, playsInline: true });
    const canvas = document.createElement("canvas");
    const shown = document.getElementById("live-canvas");
    const ends = [];
    try {
      await open_camera(video);
      while (running === mine) {
        const began = performance.now();
        const painting = await paint(token, await grab(video, canvas));
        shown.width = painting.width;
        shown.height = painting.height;
        shown.getContext("2d").drawImage(painting, 0, 0);
        const now = performance.now();
        ends.push(now);
        while (now - ends[0] > 2000) ends.shift();
        const rate = ends.length > 1 ? (ends.length - 1) * 1000 / (now - ends[0]) : 0;
        say(`${rate.toFixed(1)} frames/s · ${Math.round(now - began)} ms delay`);
      }
      say("Stopped.");
    } catch (error) {
      if (running === mine) say(error.message || String(error));
    } finally {
      video.srcObject?.getTracks().forEach((track) => track.stop());
    }
  }

  return {
    start(token) { if (token) loop(token, running = {}); },
    stop() { running = null; },
  };
})();
