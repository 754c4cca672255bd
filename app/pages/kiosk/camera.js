// Photographs of papers: taken by the camera or chosen as a file, looked at, made small, and sealed at once.
import { button, element } from "/kiosk/element.js";
import { picture } from "/kiosk/pictures.js";
import { MOST_PHOTOS, papers, photographs, question } from "/kiosk/questions.js";
import { seal } from "/kiosk/sealing.js";
import { _, inLanguage } from "/kiosk/texts.js";

const LONGEST_SIDE = 1600;
const MOST_BYTES = 3_000_000;
const QUALITIES = [0.85, 0.7, 0.5, 0.3];

/** What a camera that failed in this visit has to say; it is not tried again in it. */
function brokenCamera(desk) {
  if (!desk.visit.isCameraBroken) return null;
  return desk.byFile ? _("摄像头用不了，可以选一张照片，或者以后再交。") : _("摄像头用不了，材料以后再交。");
}

/** Which paper; those that were taken may be taken back. */
export function papersAsked(desk, id, asking) {
  const { photos } = desk.visit;
  const broken = !desk.byFile && brokenCamera(desk);
  const wanted = photographs(desk.visit, desk.device.pack);
  const take = (paper) => () => {
    desk.paper = paper;
    desk.show("camera");
  };
  const drop = (photo) => () => {
    photos.splice(photos.indexOf(photo), 1);
    desk.show("papers");
  };
  const full = wanted.length >= MOST_PHOTOS;
  const all = papers(desk.visit, desk.device.pack);
  const buttons = all.map((paper) =>
    button({ class: "choice", disabled: full, onclick: take(paper) }, picture("camera"), element("span", {}, inLanguage(paper))));
  const taken = wanted.map((photo) =>
    element("li", {}, picture("done"), element("span", {}, inLanguage(photo.paper)), button({ onclick: drop(photo) }, _("不要这张"))));
  const go = () => desk.answer(id, asking, wanted);
  return {
    say: broken,
    body: [
      broken && element("p", { class: "summary" }, broken),
      taken.length > 0 && element("ul", { class: "taken" }, ...taken),
      full && element("p", {}, _("照片够了，其余的以后再交。")),
      !broken && element("div", { class: "choices", role: "group", "aria-labelledby": "heading" }, ...buttons),
      button({ class: "go", id: "go", onclick: go }, wanted.length || broken ? _("继续") : _("没带，以后再交")),
    ],
  };
}

export function cameraScreen(desk) {
  const broken = brokenCamera(desk);
  const hint = broken ?? _("把材料放平，对准了再按“拍照”。");
  const video = element("video", { autoplay: true, playsinline: true, muted: true, hidden: true, "aria-label": _("摄像头画面") });
  const preview = element("canvas", { hidden: true, role: "img", "aria-label": _("拍好的照片") });
  const said = element("p", { role: "status" });
  const noFile = !broken || !desk.byFile;
  const file = element("input", { type: "file", id: "file", accept: "image/*", capture: "environment", class: "unseen", hidden: noFile });
  const byFile = element("label", { for: "file", class: "button", hidden: noFile }, _("选一张照片"));
  const without = button({ id: "without", hidden: !broken, onclick: goOn }, _("以后再交"));
  const shoot = button({ class: "go", hidden: true, onclick: () => look(video, video.videoWidth, video.videoHeight) }, picture("camera"), _("拍照"));
  const use = button({ class: "go", hidden: true }, _("用这张"));
  const again = button({ hidden: true, onclick: () => desk.show("camera") }, _("重拍"));
  let stream;
  let left = false;

  async function begin() {
    if (desk.shot) return look(desk.shot, desk.shot.width, desk.shot.height);
    if (broken) return;
    try {
      const wanted = { video: { facingMode: "environment", width: { ideal: 1920 }, height: { ideal: 1440 } } };
      stream = await navigator.mediaDevices.getUserMedia(wanted);
      if (left) return stop();
      stream.getVideoTracks()[0].addEventListener("ended", fails); // its cable was pulled out
      video.srcObject = stream;
      await video.play();
      video.hidden = shoot.hidden = false; // until then a browser says of it that it can't be played
    } catch {
      fails();
    }
  }

  /** What it took by then may be looked at and kept. */
  function fails() {
    if (left) return;
    desk.visit.isCameraBroken = true;
    if (!desk.shot) desk.show("camera");
  }

  function goOn() {
    const asking = question("papers", desk.visit, desk.device.pack);
    desk.answer("papers", asking, asking.value(desk.visit));
  }

  function stop() {
    left = true;
    stream?.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
    file.value = "";
    if (desk.isRedrawn) return;
    preview.width = preview.height = 0;
    desk.shot = null;
  }

  /** Draw it no larger than it is kept, and ask whether it can be read. */
  function look(source, width, height) {
    const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
    preview.width = Math.max(1, Math.round(width * scale));
    preview.height = Math.max(1, Math.round(height * scale));
    preview.getContext("2d").drawImage(source, 0, 0, preview.width, preview.height);
    video.hidden = shoot.hidden = byFile.hidden = file.hidden = without.hidden = true;
    preview.hidden = use.hidden = again.hidden = false;
    said.textContent = _("看得清楚吗？");
    use.focus();
    desk.shot = preview;
  }

  file.addEventListener("change", async () => {
    try {
      const chosen = await createImageBitmap(file.files[0], { imageOrientation: "from-image" });
      look(chosen, chosen.width, chosen.height);
      chosen.close();
    } catch {
      said.textContent = _("这个文件不是照片，请换一个。");
    }
  });

  use.addEventListener("click", async () => {
    use.disabled = true;
    const paper = desk.paper;
    const header = { file: { title: paper.zh, material: paper.code } };
    const { visit } = desk;
    const sealed = await seal(await small(preview), desk.device.pack.sealing_key, header);
    if (left) return;
    visit.photos.push({ paper, sealed });
    desk.show("papers");
  });

  return {
    title: inLanguage(desk.paper),
    hint,
    body: [
      element("p", broken ? { class: "summary", role: "alert" } : { class: "hint" }, hint),
      element("div", { class: "view" }, video, preview),
      ...[said, file, byFile, shoot, use, again, without],
      element("div", { class: "ways" }, button({ id: "back", onclick: desk.back }, picture("back"), _("返回"))),
    ],
    shown: begin,
    leave: stop,
  };
}

/** The JPEG's bytes, as good as fits. */
async function small(canvas) {
  for (const quality of QUALITIES) {
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", quality));
    if (blob.size <= MOST_BYTES || quality === QUALITIES.at(-1)) return new Uint8Array(await blob.arrayBuffer());
  }
}
